// The game in two dimensions: lesson 01's two steps with the non-saturating loss, for points in the plane.
import {Adam, MLP, sigmoid, softplus} from "./net.js";
import {Random} from "./random.js";
import {NEAR, POINTS, SPREAD} from "./course.js";

export const BATCH = 64; // and two layers of 32: 2 ms a step in a browser
const SCORED = 500;
const mean = x => x.reduce((a, b) => a + b, 0) / x.length;

export class Game {
  constructor(data = "ring", seed = 0, lrD = 1e-3, lrG = 1e-3) {
    this.modes = POINTS[data] ?? data; // by name, or points that somebody drew
    this.random = new Random(seed);
    this.G = new MLP([2, 32, 32, 2], this.random);
    this.D = new MLP([2, 32, 32, 1], this.random);
    this.optG = new Adam(this.G, lrG);
    this.optD = new Adam(this.D, lrD);
    this.step = 0;
    this.z = this.random.normal(2 * SCORED);
    this.x = this.real(256);
  }

  real(n) {
    const x = this.random.normal(2 * n);
    for (let i = 0; i < n; i++) {
      const mode = this.modes[this.random.below(this.modes.length)];
      for (const k of [0, 1]) x[2 * i + k] = mode[k] + SPREAD * x[2 * i + k];
    }
    return x;
  }

  dStep(x = this.real(BATCH), z = this.random.normal(2 * BATCH)) {
    const n = x.length / 2, both = new Float64Array(4 * n);
    both.set(x);
    both.set(this.G.forward(z), 2 * n);
    const logits = this.D.forward(both);
    this.D.backward(logits.map((s, i) => (i < n ? sigmoid(s) - 1 : sigmoid(s)) / n));
    this.optD.step();
    return mean(logits.subarray(0, n).map(s => softplus(-s))) + mean(logits.subarray(n).map(softplus));
  }

  gStep(z = this.random.normal(2 * BATCH)) {
    const logits = this.D.forward(this.G.forward(z)), n = logits.length;
    this.G.backward(this.D.backward(logits.map(s => (sigmoid(s) - 1) / n)));
    this.optG.step();
    this.step++;
    return mean(logits.map(s => softplus(-s)));
  }

  // Losses and verdicts on the same 256 points and z; how many modes have a fake within 3 spreads, and how many fakes have a mode.
  measure() {
    const fakes = this.G.forward(this.z), real = this.D.forward(this.x), fake = this.D.forward(fakes.slice(0, 512));
    const found = new Set();
    let near = 0;
    for (let i = 0; i < fakes.length; i += 2) {
      const away = this.modes.map(([x, y]) => Math.hypot(fakes[i] - x, fakes[i + 1] - y));
      const least = Math.min(...away);
      if (least <= NEAR * SPREAD) {
        near++;
        found.add(away.indexOf(least));
      }
    }
    return {
      lossD: mean(real.map(s => softplus(-s))) + mean(fake.map(softplus)),
      lossG: mean(fake.map(s => softplus(-s))),
      real: mean(real.map(sigmoid)),
      fake: mean(fake.map(sigmoid)),
      covered: found.size,
      near: near / (fakes.length / 2),
      fakes: fakes.slice(0, 256),
    };
  }

  // Where G's loss pulls each of these fakes: minus its gradient, per fake.
  pull(fakes) {
    const logits = this.D.forward(fakes);
    return this.D.backward(logits.map(s => 1 - sigmoid(s)));
  }
}
