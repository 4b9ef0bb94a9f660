// The activation explorer of lesson 02: LeakyReLU and its slope, and what a discriminator with it lets through to G.
// Every place of the two sliders was measured by Python when the site was built (site/export.py): nothing is computed here.
import {chart, signed} from "./chart.js";
import {element, row, slider} from "./controls.js";

const FLOOR = 1e-7; // where a logarithmic axis shows a gradient of exactly 0
let table;

// What was measured at a place of the sliders: {gradient, dead: [share of each hidden layer]}.
export async function measured(alpha, shift) {
  table ??= await (await fetch(new URL("activations.json", import.meta.url))).json();
  return {gradient: table.gradient[alpha][shift], dead: table.dead[alpha][shift]};
}

export async function play(place) {
  try {
    await measured(0, 0);
  } catch {
    return; // its picture stays
  }
  const s = {alpha: table.alphas.indexOf(0.2), shift: 0}, words = element("div", {role: "status"}), picture = element("div", {class: "sides"});
  const step = values => values[1] - values[0], place_of = (values, value) => Math.round(value / step(values));
  const along = (name, key, values, digits) => slider(name, {min: 0, max: values.at(-1), step: step(values), value: values[s[key]], digits},
    value => { s[key] = place_of(values, value); draw() });
  place.replaceChildren(row(along("α", "alpha", table.alphas, 2), along("bias lower by", "shift", table.shifts, 2)), words, picture,
    element("p", {class: "note"}, "On this page a new discriminator looks at digits of the generator that the course ships; in the lesson it is yours."));
  draw();

  async function draw() {
    const {gradient, dead} = await measured(s.alpha, s.shift), alpha = table.alphas[s.alpha], shift = table.shifts[s.shift];
    const told = digits(gradient), shares = dead.map(share => `${Math.round(100 * share)} %`).join(", ");
    words.textContent = `dead units per layer: ${shares}. Median gradient that reaches an image of G: ${told}`;
    const shape = {[`LeakyReLU(${alpha.toFixed(2)})`]: [[-3, -3 * alpha], [0, 0], [3, 3]], "its slope": [[-3, alpha], [0, alpha], [0, 1], [3, 1]]};
    const curves = Object.fromEntries(table.curves.map(([a, values]) => [`α = ${a}`, values.map((g, i) => [table.shifts[i], Math.log10(Math.max(g, FLOOR))])]));
    const here = [shift, Math.log10(Math.max(gradient, FLOOR))];
    picture.innerHTML = chart(shape, {x: [-3, 3], y: [-1.6, 3.1], ticks: [-1, 0, 1, 2, 3], name: "input", label: signed,
      alt: `LeakyReLU with slope ${alpha.toFixed(2)} left of 0 and 1 right of it, and that slope as steps.`})
      + chart(curves, {x: [0, 3], y: [-7.2, 0], ticks: [-6, -4, -2, 0], name: "biases lowered by", label: v => `10${sup(v)}`, here,
        alt: `Gradient that reaches G against how far the biases are lowered, for three slopes. At ${shift} with slope ${alpha.toFixed(2)}: ${told}.`});
  }
}

// Two digits, as Python's format ".2g" writes them.
export function digits(value) {
  if (value === 0) return "0";
  const short = Number(value.toPrecision(2));
  return short < 1e-4 ? short.toExponential().replace(/e-(\d)$/, "e-0$1") : String(short);
}

const sup = value => String(value).replace("-", "⁻").replace(/\d/g, d => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]);
