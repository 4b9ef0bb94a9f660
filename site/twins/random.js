// torch's generator on the CPU, so that a seed means here what it means in the notebooks: MT19937, uniforms of 24 bits, and
// Box-Muller on blocks of 16 (ATen/core/MT19937RNGEngine.h, ATen/native/cpu/DistributionTemplates.h, normal_fill).
export class Random {
  constructor(seed = 0) {
    this.state = new Uint32Array(624);
    this.state[0] = seed;
    for (let i = 1; i < 624; i++) {
      const last = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, last) + i;
    }
    this.at = 624;
  }

  bits() {
    const s = this.state;
    if (this.at === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (s[i] & 0x80000000) | (s[(i + 1) % 624] & 0x7fffffff);
        s[i] = s[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.at = 0;
    }
    let y = s[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  uniform() { return (this.bits() & 0xffffff) / 0x1000000 } // in [0, 1)

  below(n) { return this.bits() % n }

  normal(n) { // n draws from N(0, 1); as torch.randn where n is a multiple of 16
    const x = Float64Array.from({length: Math.ceil(n / 16) * 16}, () => this.uniform());
    for (let i = 0; i < x.length; i += 16)
      for (let j = i; j < i + 8; j++) {
        const radius = Math.sqrt(-2 * Math.log(1 - x[j])), angle = 2 * Math.PI * x[j + 8];
        x[j] = radius * Math.cos(angle);
        x[j + 8] = radius * Math.sin(angle);
      }
    return x.subarray(0, n);
  }
}
