// YUV (full-range BT.601) and the gamut, as recolor_torch/color has them.
export const RED = 0.299, GREEN = 0.587, BLUE = 0.114;
export const U_SCALE = 0.5 / (1 - BLUE), V_SCALE = 0.5 / (1 - RED);

/** What chroma adds to a gray pixel: [r, g, b]. */
export function offset(u, v) {
  const blue = u / U_SCALE, red = v / V_SCALE;
  return [red, -(RED * red + BLUE * blue) / GREEN, blue];
}

/** Chroma [u, v] of [r, g, b] in [0, 1]. */
export function chroma([r, g, b]) {
  const y = RED * r + GREEN * g + BLUE * b;
  return [U_SCALE * (b - y), V_SCALE * (r - y)];
}

export function luminance([r, g, b]) { return RED * r + GREEN * g + BLUE * b; }

/** The color of a luminance and a chroma that is scaled down, along its hue, until it fits. */
export function fit(y, u, v) {
  const d = offset(u, v);
  let factor = 1;
  for (const x of d) {
    const room = x > 0 ? 1 - y : y;
    if (Math.abs(x) > room) factor = Math.min(factor, room / Math.abs(x));
  }
  return d.map((x) => Math.min(1, Math.max(0, y + factor * x)));
}

/** Whether a chroma is possible at a luminance. */
export function possible(y, u, v) {
  return offset(u, v).every((x) => y + x >= 0 && y + x <= 1);
}

/** "#rrggbb" with this chroma, whole, at the luminance nearest to y that has room for it. */
export function hintColor(y, u, v) {
  const d = offset(u, v);
  const low = -Math.min(...d), high = 1 - Math.max(...d);
  return hex(fit(low <= high ? Math.min(high, Math.max(low, y)) : (low + high) / 2, u, v));
}

export function hex(rgb) {
  return "#" + rgb.map((x) => Math.round(x * 255).toString(16).padStart(2, "0")).join("");
}

export function parseHex(text) {
  const match = /^#?([0-9a-f]{6})$/i.exec(text.trim());
  if (!match) return null;
  const n = parseInt(match[1], 16);
  return [n >> 16, (n >> 8) & 255, n & 255].map((x) => x / 255);
}

let table = null;
/** Half floats, a Uint16Array, as a Float32Array. */
export function fromHalf(half) {
  if (!table) {
    table = new Float32Array(65536);
    for (let i = 0; i < 65536; i++) {
      const sign = i & 0x8000 ? -1 : 1, e = (i >> 10) & 31, m = i & 1023;
      table[i] = sign * (e === 0 ? m * 2 ** -24 : e === 31 ? NaN : (1 + m / 1024) * 2 ** (e - 15));
    }
  }
  const out = new Float32Array(half.length);
  for (let i = 0; i < half.length; i++) out[i] = table[half[i]];
  return out;
}
