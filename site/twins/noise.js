// The noise explorer: sliders along the directions that the shipped generator answers to most.
import {button, choice, element, number, row, slider} from "./controls.js";
import {load} from "./generator.js";
import {LIMIT, REACH, ROW} from "./course.js";

const SIDE = 28;

export async function play(place, config) {
  const code = config[0]?.code ?? "";
  const own = !code.startsWith("pretrained(");
  if (code.includes("cifar")) return; // its picture stays
  const said = element("p", {class: "note", role: "status"}, "fetching the generator, 3 MB …");
  place.append(said);
  let G;
  try {
    G = await load();
  } catch {
    said.textContent = "the generator could not be fetched: this is its picture";
    return;
  }
  const n = G.directions["first layer"].length, s = {kind: "first layer", seed: config.seed ?? 0, along: 0, limit: Infinity, shifts: Array(n).fill(0)};
  const one = element("canvas", {width: SIDE, height: SIDE, class: "pixels", role: "img"}), way = element("canvas", {width: SIDE * ROW, height: SIDE, class: "pixels", role: "img"});
  one.style.width = "224px";
  way.style.width = "100%";
  const words = element("div", {role: "status"});
  let start, waiting = false;
  const sliders = s.shifts.map((_, i) => slider(`direction ${i + 1}`, {min: -REACH, max: REACH, step: 0.25, value: 0, digits: 2}, value => {
    s.shifts[i] = value;
    s.along = i;
    soon();
  }));
  const zero = () => { s.shifts.fill(0); sliders.forEach(each => each.set(0)); soon() };
  const seed = number("seed", {min: 0, max: 2 ** 31 - 1, value: s.seed}, value => reseed(value));
  const reseed = value => { s.seed = value; seed.input.value = value; start = G.start(value); zero() };
  place.replaceChildren(
    row(button("New noise", () => reseed((s.seed + 1) % 2 ** 31)), button("All to zero", zero), seed),
    element("div", {class: "sides"},
      element("div", {}, row(choice("Directions", {"first layer": "first layer", features: "features"}, s.kind, value => { s.kind = value; zero() })),
        ...sliders.map(each => row(each)),
        row(slider("truncation", {min: 0, max: LIMIT, step: 0.25, value: LIMIT, digits: 2}, value => { s.limit = value < LIMIT ? value : Infinity; soon() }))),
      element("figure", {style: "margin:0"}, element("figcaption", {}, "G(z)"), one)),
    words, way);
  if (own) place.append(element("p", {class: "note"}, "On this page the generator that the course ships stands in for the one of your run."));
  reseed(s.seed);

  function soon() { // one picture a frame, however fast a slider moves
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw() });
  }
  function draw() {
    const image = shifts => G.forward(G.at(start, s.kind, shifts, s.limit));
    paint(one, image(s.shifts), 0);
    for (let i = 0; i < ROW; i++) paint(way, image(s.shifts.with(s.along, -REACH + 2 * REACH * i / (ROW - 1))), i * SIDE);
    const now = s.shifts.map((v, i) => v && `direction ${i + 1} at ${v}`).filter(Boolean).join(", ") || "all directions at zero";
    words.textContent = `The row shows direction ${s.along + 1} (${s.kind}) from end to end, the others as the sliders stand.`;
    one.setAttribute("aria-label", `G(z): a digit from seed ${s.seed}, ${now}`);
    way.setAttribute("aria-label", `${ROW} digits along direction ${s.along + 1}, from −${REACH} to ${REACH}`);
  }
}

function paint(canvas, pixels, left) {
  const data = new ImageData(SIDE, SIDE);
  pixels.forEach((v, i) => { data.data.fill(Math.round((v + 1) * 127.5), 4 * i, 4 * i + 3); data.data[4 * i + 3] = 255 });
  canvas.getContext("2d").putImageData(data, left, 0);
}
