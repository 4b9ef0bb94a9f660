// A fully connected network with LeakyReLU between its layers, its gradients written out, and Adam. Rows of numbers lie one after
// the other: n points of two coordinates are 2n numbers.
export class MLP {
  constructor(sizes, random, slope = 0.2) {
    this.slope = slope;
    this.layers = sizes.slice(1).map((outs, i) => {
      const ins = sizes[i], limit = 1 / Math.sqrt(ins); // torch's own start for nn.Linear
      const draw = n => Float64Array.from({length: n}, () => random ? (2 * random.uniform() - 1) * limit : 0);
      return {ins, outs, w: draw(ins * outs), b: draw(outs), dw: new Float64Array(ins * outs), db: new Float64Array(outs)};
    });
  }

  forward(x) {
    this.inputs = [];
    this.layers.forEach(({ins, outs, w, b}, l) => {
      const n = x.length / ins, y = new Float64Array(n * outs), last = l === this.layers.length - 1;
      this.inputs.push(x);
      for (let i = 0; i < n; i++)
        for (let o = 0; o < outs; o++) {
          let sum = b[o];
          for (let k = 0, a = i * ins, c = o * ins; k < ins; k++) sum += x[a + k] * w[c + k];
          y[i * outs + o] = last || sum > 0 ? sum : this.slope * sum;
        }
      x = y;
    });
    return x;
  }

  // The gradient with respect to the last forward's input, of a loss whose gradient with respect to its output is dy; the
  // weights' gradients are left in the layers.
  backward(dy) {
    for (let l = this.layers.length - 1; l >= 0; l--) {
      const {ins, outs, w, dw, db} = this.layers[l], x = this.inputs[l], n = x.length / ins, dx = new Float64Array(x.length);
      dw.fill(0);
      db.fill(0);
      for (let i = 0; i < n; i++)
        for (let o = 0; o < outs; o++) {
          const d = dy[i * outs + o], a = i * ins, c = o * ins;
          if (d === 0) continue;
          db[o] += d;
          for (let k = 0; k < ins; k++) {
            dw[c + k] += d * x[a + k];
            dx[a + k] += d * w[c + k];
          }
        }
      if (l) for (let j = 0; j < dx.length; j++) if (x[j] <= 0) dx[j] *= this.slope; // x is what LeakyReLU gave: its sign is the input's
      dy = dx;
    }
    return dy;
  }
}

export class Adam {
  constructor(net, lr, [beta1, beta2] = [0.5, 0.999]) {
    Object.assign(this, {lr, beta1, beta2, t: 0});
    this.slots = net.layers.flatMap(l => [[l.w, l.dw], [l.b, l.db]]).map(([p, g]) =>
      ({p, g, m: new Float64Array(p.length), v: new Float64Array(p.length)}));
  }

  step() {
    const {lr, beta1, beta2} = this, t = ++this.t, c1 = 1 - beta1 ** t, c2 = 1 - beta2 ** t;
    for (const {p, g, m, v} of this.slots)
      for (let i = 0; i < p.length; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
        p[i] -= lr * (m[i] / c1) / (Math.sqrt(v[i] / c2) + 1e-8);
      }
  }
}

export const sigmoid = s => 1 / (1 + Math.exp(-s));
export const softplus = s => Math.max(s, 0) + Math.log1p(Math.exp(-Math.abs(s)));
