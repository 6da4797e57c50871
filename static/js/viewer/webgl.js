// Draws the grey values with WebGL 2. Samples stay whole numbers (a 16-bit integer texture)
// until they are interpolated: no graphics card rounds them on the way.

import { levelFor, windowLine } from "./pixels.js";
import { inverse, magnitude } from "./geometry.js";

// What computes as a graphics card would, on the processor. Not every browser owns up when
// asked for one without "major performance caveat".
const EMULATED = /swiftshader|llvmpipe|softpipe|software|basic render/i;

const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
uniform highp usampler2D samples;
uniform sampler2D curve;
uniform float height;
uniform vec3 toX[2], toY[2];  // pane to image; the second for the lens
uniform int level[2];
uniform vec3 lens;            // x, y, radius
uniform vec2 line;            // slope and start of the window
uniform int kind;             // 0 linear, 1 sigmoid, 2 table
uniform bool inverted;
uniform vec2 padding;         // first and last sample that is none
out vec4 colour;

float at(ivec2 place, ivec2 size, int lod) {
  return float(texelFetch(samples, clamp(place, ivec2(0), size - 1), lod).r);
}

void main() {
  vec2 pane = vec2(gl_FragCoord.x, height - gl_FragCoord.y);
  int n = distance(pane, lens.xy) < lens.z ? 1 : 0;
  vec2 place = vec2(dot(toX[n], vec3(pane, 1.0)), dot(toY[n], vec3(pane, 1.0)));
  vec2 whole = vec2(textureSize(samples, 0));
  colour = vec4(0.0, 0.0, 0.0, 1.0);
  if (any(lessThan(place, vec2(0.0))) || any(greaterThanEqual(place, whole))) return;
  int lod = level[n];
  ivec2 size = textureSize(samples, lod);
  vec2 q = place / exp2(float(lod)) - 0.5;
  ivec2 p = ivec2(floor(q));
  vec2 f = q - vec2(p);
  float nearest = at(ivec2(floor(q + 0.5)), size, lod);
  if (nearest >= padding.x && nearest <= padding.y) return;
  float value = mix(
    mix(at(p, size, lod), at(p + ivec2(1, 0), size, lod), f.x),
    mix(at(p + ivec2(0, 1), size, lod), at(p + ivec2(1, 1), size, lod), f.x), f.y);
  float part = value * line.x + line.y;
  if (kind == 1) part = 1.0 / (1.0 + exp(-4.0 * part));
  part = clamp(part, 0.0, 1.0);
  if (kind == 2) part = texture(curve, vec2((part * 255.0 + 0.5) / 256.0, 0.5)).r;
  if (inverted) part = 1.0 - part;
  colour = vec4(vec3(part), 1.0);
}`;

// ``null`` where WebGL 2 is not to be had, or only emulated (which is slower than drawing
// without it), or the image is larger than a texture may be.
export function webglRenderer({ facts, levels }) {
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl2", {
    alpha: false, antialias: false, failIfMajorPerformanceCaveat: true,
  });
  if (!gl || EMULATED.test(cardOf(gl)) || Math.max(facts.rows, facts.columns) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
  const program = compiled(gl);
  if (!program) return null;
  gl.useProgram(program);
  const place = (name) => gl.getUniformLocation(program, name);
  const places = Object.fromEntries(
    ["samples", "curve", "height", "toX", "toY", "level", "lens", "line", "kind", "inverted", "padding"]
      .map((name) => [name, place(name)])
  );
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texStorage2D(gl.TEXTURE_2D, levels.length, gl.R16UI, facts.columns, facts.rows);
  levels.forEach(({ samples, columns, rows }, lod) =>
    gl.texSubImage2D(gl.TEXTURE_2D, lod, 0, 0, columns, rows, gl.RED_INTEGER, gl.UNSIGNED_SHORT, samples));
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST_MIPMAP_NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  gl.activeTexture(gl.TEXTURE1);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  for (const name of ["TEXTURE_MIN_FILTER", "TEXTURE_MAG_FILTER"]) {
    gl.texParameteri(gl.TEXTURE_2D, gl[name], gl.LINEAR);
  }
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.uniform1i(places.samples, 0);
  gl.uniform1i(places.curve, 1);
  if (gl.getError() !== gl.NO_ERROR) return null;
  let curve;

  return {
    kind: "webgl",
    canvas,
    maxPixels: Infinity,
    draw(state, matrix, lens) {
      const { slope, start } = windowLine(state, facts);
      if (state.function === "TABLE" && curve !== state.curve) {
        curve = state.curve;
        gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, 256, 1, 0, gl.RED, gl.UNSIGNED_BYTE, new Uint8Array(curve));
      }
      const matrices = [matrix, lens?.matrix ?? matrix];
      const back = matrices.map(inverse);
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.uniform1f(places.height, canvas.height);
      gl.uniform3fv(places.toX, back.flatMap(([a, , c, , e]) => [a, c, e]));
      gl.uniform3fv(places.toY, back.flatMap(([, b, , d, , f]) => [b, d, f]));
      gl.uniform1iv(places.level, matrices.map((m) => levelFor(levels, magnitude(m))));
      gl.uniform3f(places.lens, lens?.x ?? 0, lens?.y ?? 0, lens?.radius ?? 0);
      gl.uniform2f(places.line, slope, start);
      gl.uniform1i(places.kind, { LINEAR: 0, SIGMOID: 1, TABLE: 2 }[state.function]);
      gl.uniform1i(places.inverted, facts.invert !== state.inverted ? 1 : 0);
      gl.uniform2f(places.padding, ...(facts.padding ?? [1, 0]));
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    },
  };
}

function cardOf(gl) {
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  return gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
}

function compiled(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}
