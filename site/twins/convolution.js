// The convolution calculator of lesson 03: sizes, and who touches whom.
import {choice, element, row, slider} from "./controls.js";
import {FAKE, REAL} from "./course.js";

const KINDS = ["convolution", "transposed convolution"];

// Side of the output; throws where the settings make none. The same words as gan_course.convolutions.
export function size(kind, n, kernel, stride, padding, outputPadding = 0) {
  if (kind === KINDS[0]) {
    if (kernel > n + 2 * padding) throw new Error(`a kernel of ${kernel} does not fit into ${n} + 2·${padding} pixels; take a smaller one, or more padding`);
    return Math.floor((n + 2 * padding - kernel) / stride) + 1;
  }
  if (outputPadding >= stride) throw new Error(`output padding ${outputPadding} must be smaller than the stride, ${stride}`);
  const side = (n - 1) * stride - 2 * padding + kernel + outputPadding;
  if (side < 1) throw new Error(`padding ${padding} cuts off everything; take a smaller one, or a larger kernel`);
  return side;
}

// Input places whose stamp reaches output i of a transposed convolution.
export const transposedTouches = (i, n, kernel, stride, padding) =>
  [...Array(n).keys()].filter(j => i + padding - j * stride >= 0 && i + padding - j * stride < kernel);

export function play(place, config) {
  const s = {kind: config[0] ?? config.kind ?? KINDS[0], size: config.size ?? 6, kernel: config.kernel ?? 4, stride: config.stride ?? 2,
    padding: config.padding ?? 1, output_padding: config.output_padding ?? 0, row: 1, column: 1};
  const formula = config.formula ?? true, words = element("div", {role: "status"}), picture = element("div");
  const limits = {size: [2, 8], kernel: [1, 6], stride: [1, 3], padding: [0, 3], output_padding: [0, 2], row: [0, 20], column: [0, 20]};
  const sliders = Object.fromEntries(Object.entries(limits).map(([name, [min, max]]) =>
    [name, slider(name.replace("_", " "), {min, max, value: s[name]}, value => { s[name] = value; draw() })]));
  const {row: down, column: across, ...shape} = sliders;
  place.replaceChildren(
    row(choice("Kind", Object.fromEntries(KINDS.map(kind => [kind, kind])), s.kind, value => { s.kind = value; draw() })),
    row(...Object.values(shape)), row("look at one output cell:", down, across), words, picture);
  draw();

  function draw() {
    const {size: n, kernel: k, stride, padding: p, output_padding: o} = s, plain = s.kind === KINDS[0];
    sliders.output_padding.hidden = plain;
    let side;
    try {
      side = size(s.kind, n, k, stride, p, o);
    } catch (error) {
      words.textContent = `⚠ ${error.message}`;
      picture.replaceChildren();
      return;
    }
    for (const name of ["row", "column"]) sliders[name].input.max = Math.max(1, side - 1);
    const r = Math.min(s.row, side - 1), c = Math.min(s.column, side - 1);
    const told = plain ? `⌊(${n} + 2·${p} − ${k}) / ${stride}⌋ + 1 = ${side} (output padding plays no part)` : `(${n} − 1)·${stride} − 2·${p} + ${k} + ${o} = ${side}`;
    words.textContent = `output size = ${formula ? told : side}; framed: row ${r}, column ${c}`;
    const one = (y, x) => ({mark: y === r && x === c ? 2 : 0});
    if (plain) {
      const whole = n + 2 * p, top = r * stride, left = c * stride;
      let outside = 0;
      const input = (y, x) => {
        const padding = Math.min(y, x) < p || Math.max(y, x) >= n + p, seen = y >= top && y < top + k && x >= left && x < left + k;
        outside += padding && seen;
        return {mark: seen ? 1 : 0, padding, word: seen ? (y - top) * k + x - left + 1 : ""};
      };
      const panels = [panel(`input ${n}×${n}, padding ${p}`, whole, input), panel(`output ${side}×${side}`, side, one)];
      show(panels, `Convolution: input ${n}×${n}, padding ${p}, output ${side}×${side}. Output row ${r}, column ${c} sees ${k * k} inputs, ${outside} of them padding.`);
    } else {
      const count = i => transposedTouches(i, n, k, stride, p).length, along = Array.from({length: side}, (_, i) => count(i)), most = Math.max(...along);
      const rows = transposedTouches(r, n, k, stride, p), columns = transposedTouches(c, n, k, stride, p);
      const input = (y, x) => rows.includes(y) && columns.includes(x) ? {mark: 1, word: "•"} : {mark: 0};
      const output = (y, x) => ({...one(y, x), word: count(y) * count(x), shade: count(y) * count(x) / (2.5 * Math.max(1, most * most))});
      const panels = [panel(`input ${n}×${n}`, n, input), panel(`output ${side}×${side}: how many inputs reach each cell`, side, output)];
      show(panels, `Transposed convolution: input ${n}×${n}, output ${side}×${side}. ${rows.length * columns.length} inputs reach row ${r}, column ${c}; along one side the outputs are reached ${along.join(", ")} times.`);
    }
  }
  function show(panels, alt) {
    picture.innerHTML = `<div class="sides" role="img" aria-label="${alt}">${panels.join("")}</div>`;
  }
}

function panel(title, side, cell) {
  const unit = Math.min(34, 480 / side), last = [];
  let body = "";
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const {mark, padding, word = "", shade = 0} = cell(y, x), box = `x="${x * unit}" y="${y * unit}" width="${unit}" height="${unit}"`;
      body += `<rect ${box} fill="currentColor" fill-opacity="${shade.toFixed(2)}" stroke="currentColor" stroke-opacity=".3"/>`;
      if (padding) body += `<path d="M${x * unit} ${(y + 1) * unit}l${unit} ${-unit}" stroke="currentColor" stroke-opacity=".5"/>`;
      if (mark) last.push(`<rect ${box} fill="none" stroke="${mark === 1 ? REAL : FAKE}" stroke-width="${mark === 1 ? 2 : 4}"/>`);
      body += `<text x="${(x + 0.5) * unit}" y="${(y + 0.65) * unit}" text-anchor="middle" font-size="${unit / 2.6}" fill="currentColor">${word}</text>`;
    }
  const whole = side * unit + 6;
  return `<div><div>${title}</div><svg viewBox="-3 -3 ${whole} ${whole}" width="${whole}" height="${whole}" aria-hidden="true">${body}${last.join("")}</svg></div>`;
}
