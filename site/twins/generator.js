// The shipped MNIST generator: its weights as they are shipped (half precision), its forward pass, and steps through noise space.
import {Random} from "./random.js";

const BLOCK = 256; // z are drawn so many at a time, as gan_course.sampling does

function half(h) {
  const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

export async function load(name = "mnist") {
  const [about, bytes] = await Promise.all([
    fetch(new URL(`${name}.json`, import.meta.url)).then(answer => answer.json()),
    fetch(new URL(`${name}.bin`, import.meta.url)).then(answer => answer.arrayBuffer()),
  ]);
  const table = Float32Array.from({length: 65536}, (_, h) => half(h));
  const read = ({half: at, length}) => Float32Array.from(new Uint16Array(bytes, at, length), h => table[h]);
  const layers = about.layers.map(layer => ({...layer, w: read(layer)}));
  return new Generator(layers, about);
}

export class Generator {
  constructor(layers, {slope, noise_dim, directions}) { Object.assign(this, {layers, slope, noiseDim: noise_dim, directions}) }

  start(seed) { return new Random(seed).normal(BLOCK * this.noiseDim).slice(0, this.noiseDim) }

  // z (noise_dim) → pixels in [-1, 1]; each layer is scale · (W x) + shift: bias and BatchNorm are in scale and shift.
  forward(x) {
    this.layers.forEach(({ins, outs, w, scale, shift}, l) => {
      const y = new Float64Array(outs), last = l === this.layers.length - 1;
      for (let o = 0; o < outs; o++) {
        let sum = 0;
        for (let k = 0, c = o * ins; k < ins; k++) sum += x[k] * w[c + k];
        sum = scale[o] * sum + shift[o];
        y[o] = last ? Math.tanh(sum) : sum > 0 ? sum : this.slope * sum;
      }
      x = y;
    });
    return x;
  }

  // z at start, cut off at ±limit, and so far along each direction.
  at(start, kind, shifts, limit = Infinity) {
    const z = start.map(v => Math.max(-limit, Math.min(limit, v)));
    shifts.forEach((shift, i) => { for (let k = 0; k < z.length; k++) z[k] += shift * this.directions[kind][i][k] });
    return z;
  }
}
