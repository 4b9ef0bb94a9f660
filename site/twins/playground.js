// The playground of lesson 01: buttons, numbers and the picture of the plane.
import {button, choice, element, number, row, still} from "./controls.js";
import {BATCH, Game} from "./game.js";
import {DRAWN, FAKE, INK, NAMES, REAL, SPAN, STEPS} from "./course.js";

const SIDE = 480, GRID = 40;
const SLOW = 1250; // ms a step in slow motion
const WORK = 11; // ms of steps between two pictures

export function play(place, config) {
  const hidden = config.hide ?? [], s = {data: config.data ?? "ring", seed: config.seed ?? 0, d: config.lr_d ?? 1e-3, g: config.lr_g ?? 1e-3, points: config.points ?? DRAWN};
  let game, next = "d", playing = false, slow = false, timer, describe = 0;
  const canvas = element("canvas", {width: SIDE, height: SIDE, class: "chart", role: "img"});
  const numbers = element("div", {class: "numbers"}), told = element("div", {class: "note", role: "status"});
  const train = button("Train", () => playing ? pause() : start());
  const say = text => { told.textContent = text };
  const field = element("textarea", {rows: 5, cols: 14, onchange: () => entered()});
  field.value = s.points.map(point => point.join(", ")).join("\n");

  function reset(words = "step 0: new networks") {
    pause();
    game = new Game(s.data === "drawn" ? s.points : s.data, s.seed, s.d, s.g);
    field.closest(".controls").hidden = s.data !== "drawn";
    next = "d";
    draw(true);
    say(words);
  }
  function entered() { // a point a line, typed or drawn
    const lines = field.value.split("\n").filter(line => line.trim()), points = lines.map(line => line.trim().split(/[\s,]+/).map(Number));
    const wrong = points.findIndex(point => point.length !== 2 || point.some(v => !(Math.abs(v) <= 1)));
    if (wrong >= 0 || !points.length) return say(wrong >= 0 ? `⚠ "${lines[wrong]}" is no point: write two numbers from −1 to 1, such as 0.5, -0.2` : "⚠ no points: press in the picture, or type some, one a line");
    s.points = points;
    reset();
  }
  canvas.addEventListener("pointerdown", event => {
    if (s.data !== "drawn") return;
    const box = canvas.getBoundingClientRect(), at = [(event.clientX - box.left) / box.width * 2 - 1, 1 - (event.clientY - box.top) / box.height * 2].map(v => v * SPAN);
    if (at.some(v => Math.abs(v) > 1)) return;
    field.value = [field.value.trim(), at.map(v => v.toFixed(2)).join(", ")].filter(Boolean).join("\n");
    entered();
  });
  function one(which) {
    const before = game.measure();
    which === "d" ? game.dStep() : game.gStep();
    next = which === "d" ? "g" : "d";
    const after = draw(true), key = which === "d" ? "lossD" : "lossG";
    say(`one ${which.toUpperCase()} step: only ${which.toUpperCase()} moved; loss of ${which.toUpperCase()} ${before[key].toFixed(4)} → ${after[key].toFixed(4)}`);
  }
  function start() {
    playing = true;
    train.textContent = "Pause";
    say("training");
    tick();
  }
  function pause() {
    if (!playing) return;
    playing = false;
    clearTimeout(timer);
    train.textContent = "Train";
    draw(true);
    say(`paused at step ${game.step.toLocaleString("en")}`);
  }
  function tick() {
    if (!playing) return;
    if (!place.isConnected || document.hidden) return pause();
    if (slow) one(next);
    else {
      for (const end = performance.now() + WORK; performance.now() < end;) { game.dStep(); game.gStep() }
      draw();
    }
    timer = setTimeout(tick, slow ? SLOW : still() ? 500 : 5);
  }
  function draw(whole = false) {
    const now = game.measure();
    paint(canvas, game, now);
    if (whole || performance.now() - describe > 2000) {
      describe = performance.now();
      canvas.setAttribute("aria-label", words(now));
    }
    numbers.innerHTML = `<b>step ${game.step.toLocaleString("en")}</b> · modes covered <b>${now.covered} of ${game.modes.length}</b><br>
      fakes within 3σ of a mode <b>${(100 * now.near).toFixed(0)}%</b><br>loss of D <b>${now.lossD.toFixed(3)}</b> · loss of G <b>${now.lossG.toFixed(3)}</b><br>
      D(x) <b>${now.real.toFixed(3)}</b> · D(G(z)) <b>${now.fake.toFixed(3)}</b><br>an even game: ${(2 * Math.LN2).toFixed(3)} and ${Math.LN2.toFixed(3)}`;
    return now;
  }
  const words = now => `Step ${game.step}. Real points: ${NAMES[s.data]}. ${now.covered} of ${game.modes.length} modes covered, ` +
    `${(100 * now.near).toFixed(0)}% of the fakes within 3σ of one. D says ${now.real.toFixed(3)} at real points and ${now.fake.toFixed(3)} at fakes.`;

  const rate = (name, key, net) => number(name, {min: 0, max: 10, step: 0.0001, value: s[key]}, value => { s[key] = value; game[net].lr = value });
  const parts = {
    data: choice("Real points", NAMES, s.data, value => { s.data = value; reset() }),
    seed: number("Seed", {min: 0, max: 10000, value: s.seed}, value => { s.seed = value; reset() }),
    lr_d: rate("lr of D", "d", "optD"),
    lr_g: rate("lr of G", "g", "optG"),
    speed: choice("Speed", {full: "full speed", slow: "slow motion"}, "full", value => { slow = value === "slow" }),
  };
  const settings = Object.entries(parts).filter(([name]) => !hidden.includes(name)).map(([, part]) => part);
  place.replaceChildren(
    row(train, button("One D step", () => { pause(); one("d") }), button("One G step", () => { pause(); one("g") }), button("Reset", () => reset())),
    told,
    element("div", {class: "sides"}, canvas, element("div", {}, row(...settings),
      row(element("label", {}, "Points (x, y)", field), button("Clear", () => { field.value = ""; pause(); entered() })), numbers,
      element("p", {class: "note"}, `● real · ✕ fake · → G's pull · ground: D's opinion, blue real, orange and hatched fake. Two layers of 32, batches of ${BATCH}: smaller than the notebook's, with the course's two steps.`))),
  );
  reset("press Train, or one step at a time");
  place.game = () => game;
}

const alpha = (colour, share) => colour + Math.round(255 * share).toString(16).padStart(2, "0");

function paint(canvas, game, now) {
  const c = canvas.getContext("2d"), cell = SIDE / GRID, at = v => (v / SPAN + 1) * SIDE / 2, down = v => (1 - v / SPAN) * SIDE / 2;
  const grid = Float64Array.from({length: 2 * GRID * GRID}, (_, i) => {
    const p = i >> 1, k = i % 2 ? Math.floor(p / GRID) : p % GRID;
    return (i % 2 ? -1 : 1) * ((k + 0.5) / GRID * 2 - 1) * SPAN;
  });
  const logits = game.D.forward(grid);
  c.fillStyle = "white";
  c.fillRect(0, 0, SIDE, SIDE);
  c.lineWidth = 1;
  logits.forEach((s, i) => {
    const x = (i % GRID) * cell, y = Math.floor(i / GRID) * cell, d = 1 / (1 + Math.exp(-Math.abs(s)));
    c.fillStyle = alpha(s > 0 ? REAL : FAKE, 1 - (1 - 0.13) ** STEPS.filter(level => d >= level).length);
    c.fillRect(x, y, cell + 0.5, cell + 0.5);
    if (s <= 0) {
      c.strokeStyle = alpha(FAKE, 0.35);
      c.beginPath();
      c.moveTo(x, y + cell);
      c.lineTo(x + cell, y);
      c.stroke();
    }
    c.strokeStyle = INK;
    c.beginPath();
    if (i % GRID && s > 0 !== logits[i - 1] > 0) { c.moveTo(x, y); c.lineTo(x, y + cell) }
    if (i >= GRID && s > 0 !== logits[i - GRID] > 0) { c.moveTo(x, y); c.lineTo(x + cell, y) }
    c.stroke();
  });
  for (let i = 0; i < 400; i += 2) {
    c.fillStyle = REAL;
    c.beginPath();
    c.arc(at(game.x[i]), down(game.x[i + 1]), 3, 0, 7);
    c.fill();
  }
  const pull = game.pull(now.fakes);
  for (let i = 0; i < now.fakes.length; i += 2) {
    const x = at(Math.max(-SPAN, Math.min(SPAN, now.fakes[i]))), y = down(Math.max(-SPAN, Math.min(SPAN, now.fakes[i + 1])));
    const length = 0.25 * SPAN / (Math.hypot(pull[i], pull[i + 1]) + 1) * SIDE / 2 / SPAN;
    c.strokeStyle = alpha(INK, 0.5);
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(x, y);
    c.lineTo(x + pull[i] * length, y - pull[i + 1] * length);
    c.stroke();
    c.strokeStyle = FAKE;
    c.lineWidth = 2;
    c.beginPath();
    c.moveTo(x - 3, y - 3); c.lineTo(x + 3, y + 3); c.moveTo(x + 3, y - 3); c.lineTo(x - 3, y + 3);
    c.stroke();
  }
}
