// Two panes that go together: what is done to one happens to the other.

import { orientation, SCALES } from "./geometry.js";
import { PLACE, WINDOW } from "./state.js";

const within = (value, [least, most]) => Math.min(Math.max(value, least), most);

export class Link {
  constructor(viewers) {
    this.viewers = viewers;
    viewers.forEach(({ state }, lead) =>
      state.addEventListener("change", ({ detail }) => this.follow(lead, detail)));
    this.join();
  }

  // From now on together, each from where it stands: who has laid two lungs over one another
  // by hand keeps them so.
  join() {
    const [a, b] = this.viewers.map(({ state }) => state);
    this.ways = [way(a, b), way(b, a)];
    this.joined = true;
  }

  part() {
    this.joined = false;
  }

  follow(lead, names) {
    if (!this.joined || this.following) return;
    // The other's change comes back here while it is made.
    this.following = true;
    const [from, to] = [this.viewers[lead], this.viewers[1 - lead]];
    if (names.some((name) => PLACE.includes(name))) to.state.change(placed(from.state, this.ways[lead]));
    if (names.includes("inverted")) to.state.change({ inverted: from.state.inverted });
    if (names.some((name) => name !== "inverted" && WINDOW.includes(name))) setWindow(from, to);
    this.following = false;
  }
}

// How ``to`` stands to ``from``: sizes, turns, and which way and how far on ``to`` one goes
// for a way on ``from``. Places are in parts of the image, from its middle.
function way(from, to) {
  const matrix = times(transposed(orientation(to)), orientation(from));
  const [x, y] = along(matrix, [from.x - 0.5, from.y - 0.5]);
  return {
    matrix,
    offset: [to.x - 0.5 - x, to.y - 0.5 - y],
    ratio: to.scale / from.scale,
    turns: [from.turns, to.turns],
    mirrored: from.mirrored !== to.mirrored,
  };
}

function placed(from, { matrix, offset, ratio, turns, mirrored }) {
  const [x, y] = along(matrix, [from.x - 0.5, from.y - 0.5]);
  // Seen in a mirror, a turn to the right is one to the left.
  const turned = (from.turns - turns[0]) * (mirrored ? -1 : 1);
  return {
    scale: within(from.scale * ratio, SCALES),
    x: within(0.5 + offset[0] + x, [0, 1]),
    y: within(0.5 + offset[1] + y, [0, 1]),
    turns: (turns[1] + turned + 8) % 4,
    mirrored: from.mirrored !== mirrored,
  };
}

// Values of two files have no common unit: one has 8 bits and another 12, and each device
// its own curve. So a preset is each file's own preset of that name, and a window by hand is
// carried over in parts of each one's automatic window, which spans its own values: 10 % above
// the middle here is 10 % above the middle there.
function setWindow(from, to) {
  const { state } = from;
  if (state.preset) {
    to.preset(to.windows[state.preset] ? state.preset : "auto");
    return;
  }
  const [here, there] = [from, to].map(({ facts }) => facts.presets.auto);
  const [span, other] = [here, there].map(({ width }) => Math.max(width, 1));
  // Where dark and bright are exchanged, brighter is the other way.
  const sense = exchanged(from) === exchanged(to) ? 1 : -1;
  const same = state.function === to.state.function;
  to.state.change({
    center: there.center + (sense * (state.center - here.center) * other) / span,
    width: Math.max((state.width * other) / span, 1),
    function: same ? state.function : "LINEAR",
    curve: same ? to.state.curve : null,
    preset: "",
  });
}

const exchanged = ({ facts, state }) => facts.invert !== state.inverted;

// [a, b, c, d]: x' = a x + c y, y' = b x + d y, as in geometry.js. Of a turn or a mirror the
// transposed matrix is the inverse.
const transposed = ([a, b, c, d]) => [a, c, b, d];
const along = ([a, b, c, d], [x, y]) => [a * x + c * y, b * x + d * y];
const times = (first, [a, b, c, d]) => [...along(first, [a, b]), ...along(first, [c, d])];
