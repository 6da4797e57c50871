// The file of all grey values, as radiology/dicom/depth.py writes it.

export async function fetchPixels(url) {
  const response = await fetch(url, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`full depth: ${response.status}`);
  return decode(await response.arrayBuffer());
}

function decode(buffer) {
  const bytes = new Uint8Array(buffer);
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "PND1") throw new Error("full depth: format");
  const length = new DataView(buffer).getUint32(4, true);
  const facts = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const { rows, columns } = facts;
  const count = rows * columns;
  const high = bytes.subarray(8 + length, 8 + length + count);
  const low = bytes.subarray(8 + length + count, 8 + length + 2 * count);
  if (low.length !== count) throw new Error("full depth: incomplete");
  const samples = new Uint16Array(count);
  for (let row = 0, at = 0; row < rows; row++) {
    let sample = 0;
    for (const end = at + columns; at < end; at++) {
      const coded = (high[at] << 8) | low[at];
      sample = (sample + ((coded >>> 1) ^ -(coded & 1))) & 0xffff;
      samples[at] = sample;
    }
  }
  return { facts, levels: pyramid({ samples, columns, rows }) };
}

// The image, then each time half as large, every pixel the mean of four: what is shown
// small neither flickers nor leaves fine lines out.
function pyramid(level) {
  const levels = [level];
  while (Math.min(level.columns, level.rows) > 64) {
    const columns = level.columns >> 1, rows = level.rows >> 1, from = level.samples;
    const samples = new Uint16Array(columns * rows);
    for (let y = 0, at = 0; y < rows; y++) {
      let above = 2 * y * level.columns, below = above + level.columns;
      for (let x = 0; x < columns; x++, at++, above += 2, below += 2) {
        samples[at] = (from[above] + from[above + 1] + from[below] + from[below + 1] + 2) >> 2;
      }
    }
    level = { samples, columns, rows };
    levels.push(level);
  }
  return levels;
}

// Which level has about one pixel for each of the pane, at ``scale`` pane pixels a pixel.
export function levelFor(levels, scale) {
  return Math.min(Math.max(Math.round(-Math.log2(scale)), 0), levels.length - 1);
}

// The window as a line over samples: part of the window = sample * slope + start.
export function windowLine(state, facts) {
  const linear = state.function !== "SIGMOID";
  // DICOM PS3.3, C.11.2.1.2.1; a sigmoid's argument has neither the half nor the one.
  const width = linear ? Math.max(state.width - 1, 1e-6) : state.width;
  const center = linear ? state.center - 0.5 : state.center;
  return {
    slope: facts.scale / width,
    start: (facts.offset - center) / width + (linear ? 0.5 : 0),
  };
}

// The level in [0, 1] of each sample: what the shader computes, for the canvas without one.
export function levelTable(state, facts) {
  const { slope, start } = windowLine(state, facts);
  const inverted = facts.invert !== state.inverted;
  const table = new Uint8Array(65536);
  const [first, last] = facts.padding ?? [1, 0];
  for (let sample = 0; sample < 65536; sample++) {
    let part = sample * slope + start;
    if (state.function === "SIGMOID") part = 1 / (1 + Math.exp(-4 * part));
    part = Math.min(Math.max(part, 0), 1);
    if (state.function === "TABLE") {
      const place = part * (state.curve.length - 1), low = Math.floor(place);
      const high = Math.min(low + 1, state.curve.length - 1);
      part = (state.curve[low] + (state.curve[high] - state.curve[low]) * (place - low)) / 255;
    }
    if (inverted) part = 1 - part;
    table[sample] = sample >= first && sample <= last ? 0 : Math.round(255 * part);
  }
  return table;
}
