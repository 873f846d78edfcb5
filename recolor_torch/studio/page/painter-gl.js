// The picture by WebGL2: chroma at the working size under the luminance at full size, fitted into the gamut.
const VERTEX = `#version 300 es
in vec2 corner;
uniform vec4 box;      // of the tile, in pixels of the picture: x, y, width, height
uniform vec4 place;    // scale x, scale y, x, y: from pixels of the picture to clip space
out vec2 at;           // in pixels of the picture
out vec2 inTile;
void main() {
  at = box.xy + corner * box.zw;
  inTile = corner;
  gl_Position = vec4(at * place.xy + place.zw, 0.0, 1.0);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D luma;
uniform sampler2D colors;
uniform sampler2D original;
uniform vec2 size;       // of the picture
uniform float strength;
uniform float edge;      // left of it, in device pixels, is the original
in vec2 at;
in vec2 inTile;
out vec4 result;
float cubic(float x) {   // Keys, a = -0.5, as compose enlarges chroma
  x = abs(x);
  if (x < 1.0) return (1.5 * x - 2.5) * x * x + 1.0;
  if (x < 2.0) return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
  return 0.0;
}
vec2 chroma(vec2 p) {
  ivec2 count = textureSize(colors, 0);
  vec2 c = p / size * vec2(count);
  ivec2 base = ivec2(floor(c - 0.5)) - 1;
  vec3 sum = vec3(0.0);
  for (int j = 0; j < 4; j++) {
    int y = base.y + j;
    if (y < 0 || y >= count.y) continue;
    float wy = cubic(c.y - float(y) - 0.5);
    for (int i = 0; i < 4; i++) {
      int x = base.x + i;
      if (x < 0 || x >= count.x) continue;
      float w = wy * cubic(c.x - float(x) - 0.5);
      sum += w * vec3(texelFetch(colors, ivec2(x, y), 0).rg, 1.0);
    }
  }
  return sum.xy / sum.z;
}
void main() {
  if (gl_FragCoord.x < edge) { result = vec4(texture(original, at / size).rgb, 1.0); return; }
  float y = texture(luma, inTile).r;
  vec2 uv = chroma(at);
  float blue = uv.x / ${(0.5 / 0.886).toFixed(12)}, red = uv.y / ${(0.5 / 0.701).toFixed(12)};
  vec3 d = vec3(red, -(0.299 * red + 0.114 * blue) / 0.587, blue);
  vec3 room = mix(vec3(y), vec3(1.0 - y), greaterThan(d, vec3(0.0)));
  vec3 reach = abs(d);
  vec3 f = mix(vec3(1.0), room / max(reach, 1e-9), greaterThan(reach, room));
  vec3 color = clamp(y + min(f.x, min(f.y, f.z)) * d, 0.0, 1.0);
  result = vec4(mix(vec3(y), color, strength), 1.0);
}`;

export class GlPainter {
  /** Raises where there is no WebGL2. */
  constructor(canvas) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", { alpha: true, antialias: false, premultipliedAlpha: true });
    if (!gl) throw new Error("There is no WebGL2.");
    this.gl = gl;
    this.tiles = [];
    this.wanted = null;
    this.setUp();
    canvas.addEventListener("webglcontextlost", (e) => e.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.setUp(); this.restored?.(); });
  }

  get kind() { return "webgl2"; }
  get largest() { return this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE); }

  setUp() {
    const gl = this.gl;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    this.at = Object.fromEntries(["box", "place", "size", "strength", "edge", "luma", "colors", "original"].map((n) => [n, gl.getUniformLocation(program, n)]));
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
    const corner = gl.getAttribLocation(program, "corner");
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
    gl.uniform1i(this.at.luma, 0); gl.uniform1i(this.at.colors, 1); gl.uniform1i(this.at.original, 2);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.colors = this.texture(gl.NEAREST);
    this.original = this.texture(gl.LINEAR);
    for (const t of [this.colors, this.original]) {
      gl.bindTexture(gl.TEXTURE_2D, t);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array([0, 0, 0, 255]));
    }
  }

  texture(filter) {
    const gl = this.gl, texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
    return texture;
  }

  open(width, height) {
    for (const tile of this.tiles) this.gl.deleteTexture(tile.texture);
    this.tiles = []; this.size = [width, height];
    this.setChroma(1, 1, new Uint16Array(2));
  }

  /** Luminance of a part of the picture. */
  setTile(x, y, bitmap) {
    const gl = this.gl, texture = this.texture(gl.LINEAR);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, gl.RED, gl.UNSIGNED_BYTE, bitmap);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.generateMipmap(gl.TEXTURE_2D);
    this.tiles.push({ texture, box: [x, y, bitmap.width, bitmap.height] });
  }

  setOriginal(bitmap) {
    const gl = this.gl;
    gl.bindTexture(gl.TEXTURE_2D, this.original);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.generateMipmap(gl.TEXTURE_2D);
  }

  /** Chroma: U and V of each pixel as half floats. */
  setChroma(width, height, half) {
    const gl = this.gl;
    gl.bindTexture(gl.TEXTURE_2D, this.colors);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG16F, width, height, 0, gl.RG, gl.HALF_FLOAT, half);
  }

  /** Draw; ``edge`` is in CSS pixels: what lies left of it is the original. */
  draw(view, { strength = 1, edge = 0, ratio = 1 } = {}) {
    const gl = this.gl, [w, h] = view.box;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(this.at.size, ...this.size);
    gl.uniform1f(this.at.strength, strength);
    gl.uniform1f(this.at.edge, edge * ratio);
    gl.uniform4f(this.at.place, (2 * view.scale) / w, (-2 * view.scale) / h, (2 * view.x) / w - 1, 1 - (2 * view.y) / h);
    gl.activeTexture(gl.TEXTURE1); gl.bindTexture(gl.TEXTURE_2D, this.colors);
    gl.activeTexture(gl.TEXTURE2); gl.bindTexture(gl.TEXTURE_2D, this.original);
    gl.activeTexture(gl.TEXTURE0);
    for (const tile of this.tiles) {
      gl.bindTexture(gl.TEXTURE_2D, tile.texture);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, view.scale * ratio > 2 ? gl.NEAREST : gl.LINEAR);
      gl.uniform4f(this.at.box, ...tile.box);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
  }

  /** The color at a place of the canvas, in device pixels, right after a draw: [r, g, b]. */
  read(px, py) {
    const out = new Uint8Array(4);
    this.gl.readPixels(px, this.canvas.height - 1 - py, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, out);
    return [out[0] / 255, out[1] / 255, out[2] / 255];
  }
}
