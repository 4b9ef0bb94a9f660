// The training monitor of a lesson: a run that was recorded (site/record.py), to look through. Nothing is computed here.
import {chart} from "./chart.js";
import {button, element, row, slider, still} from "./controls.js";
import {FAKE, INK, PALETTE, REAL} from "./course.js";

const ACROSS = 8, FRAME = 3, GAP = 2, ENLARGED = 2; // as in gan_course/widgets/view.py
const NAMES = {mnist: "MNIST", cifar10: "CIFAR-10"}, EVEN = [2 * Math.LN2, Math.LN2];
const many = n => n.toLocaleString("en");

// A recorded run: {about it, history, moments, sheet: the picture of all fakes, a row a moment}.
export async function load(number) {
  const folder = new URL("recorded/", import.meta.url), sheet = new Image();
  sheet.src = new URL(`${number}.webp`, folder);
  const [run] = await Promise.all([fetch(new URL(`${number}.json`, folder)).then(answer => answer.json()), sheet.decode()]);
  return {...run, sheet};
}

export async function play(place, {run: number}) {
  let run;
  try {
    run = await load(number);
  } catch {
    return; // its picture stays
  }
  const {moments, history, steps, side} = run, shown = moments[0].real.length, tile = ENLARGED * side + 2 * FRAME + GAP;
  const canvas = element("canvas", {width: ACROSS * tile - GAP, height: Math.ceil(shown / ACROSS) * tile - GAP, role: "img", class: "pixels"});
  const told = element("div", {class: "numbers"}), verdict = element("div", {role: "status"}), curves = element("div");
  let now = moments.length - 1, timer;
  const train = button("Play", () => timer ? stop() : start());
  const history_ = slider("History", {min: 0, max: now, value: now}, value => { now = value; stop(); draw() });
  history_.classList.add("wide");
  history_.lastChild.remove(); // the step is told below
  place.replaceChildren(
    row(train, history_, button("Now", () => { now = moments.length - 1; stop(); draw() })), told, verdict,
    element("div", {class: "sides"},
      element("figure", {}, element("figcaption", {}, "fakes from the same noise"), canvas,
        element("div", {class: "note"}, "frame: what D says of each: solid blue, real; dashed orange, fake")), curves),
    element("p", {class: "note"}, `Recorded: ${run.recipe} on ${many(run.images)} images of ${NAMES[run.data]}, seed ${run.seed}, ${many(steps)} steps, on ${run.machine} `,
      `with torch ${run.torch} (`, element("code", {}, run.command), "). In the notebook the run is yours, and trains before your eyes."));
  draw();

  function start() {
    if (now === moments.length - 1) now = -1;
    train.textContent = "Pause";
    verdict.setAttribute("aria-live", "off"); // it would talk without end
    tick();
  }
  function tick() {
    if (!place.isConnected || document.hidden) return stop();
    now++;
    draw();
    if (now === moments.length - 1) return stop();
    timer = setTimeout(tick, still() ? 2000 : 400);
  }
  function stop() {
    clearTimeout(timer);
    timer = undefined;
    train.textContent = "Play";
    verdict.removeAttribute("aria-live");
  }
  function draw() {
    const {step, real, words} = moments[now], past = history.filter(each => each.step <= step).at(-1), taken = real.reduce((a, b) => a + b);
    history_.set(now);
    history_.input.setAttribute("aria-valuetext", `step ${many(step)}`);
    paint(real);
    canvas.setAttribute("aria-label", `${shown} fakes from the same noise at step ${many(step)}; D takes ${taken} for real, ${shown - taken} for fake.`);
    const score = history.filter(each => each.step <= step && "frechet" in each).at(-1);
    const numbers = past ? ` · mean of the 20 steps up to ${many(past.step)}: loss of D ${past.loss_d.toFixed(3)}, of G ${past.loss_g.toFixed(3)}; ` +
      `D(x) ${past.d_real.toFixed(3)}, D(G(z)) ${past.d_fake.toFixed(3)}` : " · nothing trained yet";
    told.replaceChildren(element("b", {}, `step ${many(step)}`), ` of ${many(steps)} · D takes ${taken} of ${shown} for real${numbers}`,
      score ? ` · score ${score.frechet.toPrecision(3)} at step ${many(score.step)} (Fréchet distance, lower is better)` : "");
    const says = words ? `⚠ ${words}` : step ? "✔ the monitor finds no sign of an illness" : "step 0: new networks";
    if (verdict.textContent !== says) verdict.textContent = says;
    const line = key => history.filter(each => key in each).map(each => [each.step, each[key]]);
    const at = key => past ? past[key].toFixed(3) : "not yet";
    const panel = (lines, top, levels, colours, alt) => chart(lines, {x: [0, steps], y: [0, top], ticks: ticks(top), name: "step", mark: step, levels, colours, high: 200, alt});
    const most = Math.max(...history.flatMap(each => [each.loss_d, each.loss_g]));
    curves.innerHTML = panel({"loss of D": line("loss_d"), "loss of G": line("loss_g")}, 1.05 * most, EVEN, [INK, PALETTE[0]],
      `Losses over ${many(steps)} steps. At step ${many(step)}: D ${at("loss_d")}, G ${at("loss_g")}; dotted: an even game, ${EVEN.map(v => v.toFixed(2)).join(" and ")}.`)
      + panel({"D(x), real": line("d_real"), "D(G(z)), fake": line("d_fake")}, 1, [0.5], [REAL, FAKE],
        `D's outputs over ${many(steps)} steps. At step ${many(step)}: ${at("d_real")} on real and ${at("d_fake")} on fake images; dotted: one half.`)
      + (score || line("frechet").length ? panel({"Fréchet distance": line("frechet")}, 1.1 * Math.max(...line("frechet").map(p => p[1])), [], [INK],
        `Fréchet distance every ${line("frechet")[0][0]} steps${score ? `: ${score.frechet.toPrecision(3)} at step ${many(score.step)}` : ""}.`) : "");
  }
  function paint(real) {
    const c = canvas.getContext("2d"), inner = ENLARGED * side;
    c.clearRect(0, 0, canvas.width, canvas.height);
    c.imageSmoothingEnabled = false;
    real.forEach((yes, i) => {
      const left = i % ACROSS * tile, top = Math.floor(i / ACROSS) * tile;
      c.drawImage(run.sheet, i * side, now * side, side, side, left + FRAME, top + FRAME, inner, inner);
      c.strokeStyle = yes ? REAL : FAKE;
      c.setLineDash(yes ? [] : [7, 4]);
      c.lineWidth = FRAME;
      c.strokeRect(left + FRAME / 2, top + FRAME / 2, inner + FRAME, inner + FRAME);
    });
  }
}

// Three or four round heights from 0 to just below the top.
function ticks(top) {
  const size = 10 ** Math.floor(Math.log10(top)), step = [0.2, 0.5, 1, 2, 5].map(k => k * size).find(k => top / k <= 4.2);
  return Array.from({length: Math.floor(top / step) + 1}, (_, i) => Number((i * step).toPrecision(3)));
}
