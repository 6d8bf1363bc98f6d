// @ts-check
// Moves the stage's drawing: `moveTo(t)` sets the picture of the moment t in 0…1 of the loop.
// Invariant: each movement has a whole number of turns in the loop, so that its end meets its start.

const NS = 'http://www.w3.org/2000/svg';
const LOOP_S = 15;
const HOST_X = 1100;
const GOODS_STEP = 300;
const CLOCK = { x: 842, y: 480, radius: 62 };

/** A part of the drawing that has to be there. @param {ParentNode} parent @param {string} selector */
function part(parent, selector) {
  const found = /** @type {SVGGraphicsElement | null} */ (parent.querySelector(selector));
  if (!found) throw new Error(`the drawing has no ${selector} any more`);
  return found;
}

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} name @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[K]}
 */
function make(name, attributes) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

/** A wave of a whole number of turns in the loop, between −1 and 1. @param {number} t @param {number} turns */
function wave(t, turns, shift = 0) {
  return Math.sin(2 * Math.PI * (turns * t + shift));
}

/** Wrap neighbours into a group that can be moved. @param {Element[]} elements */
function group(elements) {
  const wrap = make('g', {});
  elements[0].before(wrap);
  wrap.append(...elements);
  return wrap;
}

/** A clock whose hand goes round once in the loop, over a pendulum of one second. @param {SVGElement} svg */
function hangClock(svg) {
  const clock = make('g', { transform: `translate(${CLOCK.x} ${CLOCK.y})` });
  const pendulum = make('g', {});
  pendulum.append(
    make('path', { d: 'M0 0V128', stroke: '#c99a58', 'stroke-width': 5 }),
    make('circle', { cy: 128, r: 17, fill: '#d9ae6a' }),
    make('circle', { cx: -5, cy: 123, r: 6, fill: '#f6dca6', opacity: 0.8 }),
  );
  const face = make('circle', { r: CLOCK.radius, fill: '#efe6d2', stroke: '#6d4a2f', 'stroke-width': 10 });
  clock.append(pendulum, face);
  for (let tick = 0; tick < LOOP_S; tick += 1) {
    const long = tick % 5 === 0;
    clock.append(make('path', {
      d: `M0 ${long ? -40 : -44}V-50`, stroke: '#4a3a2a', 'stroke-width': long ? 5 : 3,
      transform: `rotate(${(360 * tick) / LOOP_S})`,
    }));
  }
  const hand = make('path', { d: 'M0 12V-42', stroke: '#b62b1e', 'stroke-width': 5, 'stroke-linecap': 'round' });
  clock.append(hand, make('circle', { r: 6, fill: '#4a3a2a' }));
  part(svg, 'g[transform="translate(1100 0)"]').before(clock);
  return { hand, pendulum };
}

/** Prints of the goods, standing on the table in a row that passes by. @param {SVGElement} svg @param {string[]} pictures */
function layTable(svg, pictures) {
  const row = make('g', {});
  pictures.forEach((picture, index) => {
    const print = make('g', { class: 'print', 'data-place': index * GOODS_STEP });
    print.append(
      make('ellipse', { cx: 105, cy: 226, rx: 112, ry: 13, fill: '#1c120b', opacity: 0.5 }),
      make('rect', { width: 210, height: 224, rx: 12, fill: '#f6f1e4' }),
      make('image', { x: 11, y: 11, width: 188, height: 188, href: picture, preserveAspectRatio: 'xMidYMid slice' }),
    );
    row.append(print);
  });
  svg.append(row);
  return [...row.querySelectorAll('g.print')];
}

/** Steam over the two cups. @param {SVGElement} svg */
function warmCups(svg) {
  const steam = [[806, 1178], [828, 1180], [878, 1196], [896, 1196]].map(([x, y], index) => ({
    x, y, index,
    path: make('path', { fill: 'none', stroke: '#fff', 'stroke-width': 7, 'stroke-linecap': 'round' }),
  }));
  for (const one of steam) svg.append(one.path);
  return steam;
}

/** Find what moves, and add what the still picture lacks. @param {string[]} pictures data addresses of the goods */
function build(pictures) {
  const svg = /** @type {SVGSVGElement} */ (part(document, 'svg'));
  const host = part(svg, 'g[transform="translate(1100 0)"]');
  const heads = [...host.querySelectorAll('g[transform="rotate(-2.5 0 600)"]')];
  if (heads.length !== 2) throw new Error('the drawing has no head over its hair any more');
  const mouth = group(['#8c2d2a', '#fffaf3', '#e0695c'].map((fill) => part(heads[1], `path[fill="${fill}"]`)));
  // From the fingers behind the bowl to the thumbs before it.
  const first = part(host, 'path[fill="#d79b73"]');
  const last = part(host, 'path[stroke="#a8714c"]');
  const children = [...host.children];
  const bowl = group(children.slice(children.indexOf(first), children.indexOf(last) + 1));
  const sleeves = group(['url(#sleeveL)', 'url(#sleeveR)'].map((fill) => part(host, `path[fill="${fill}"]`)));
  return {
    svg, host, heads, mouth, bowl, sleeves,
    clock: hangClock(svg), steam: warmCups(svg), prints: layTable(svg, pictures), count: pictures.length,
  };
}

/** @type {ReturnType<typeof build>} */
let scene;

/** Put everything where it is at t. @param {number} t */
function moveTo(t) {
  const { svg, host, heads, mouth, bowl, sleeves, clock, steam, prints, count } = scene;
  // A slow camera: 9:16 of the drawing, a little nearer in the middle of the loop.
  const zoom = 1.05 - 0.05 * Math.cos(2 * Math.PI * t);
  const [width, height] = [949.5 / zoom, 1688 / zoom];
  const [x, y] = [HOST_X - width / 2 + 10 * wave(t, 1), (1688 - height) * 0.42 + 5 * wave(t, 2)];
  svg.setAttribute('viewBox', `${x} ${Math.max(y, 0)} ${width} ${height}`);

  host.setAttribute('transform', `translate(1100 ${2.2 * wave(t, 4)})`);
  const tilt = -2.5 + 2.4 * wave(t, 3) + 1.1 * wave(t, 7, 0.3);
  for (const head of heads) head.setAttribute('transform', `translate(${3 * wave(t, 3)} 0) rotate(${tilt} 0 600)`);
  // Talks for some of the time, and smiles for the rest.
  const talking = Math.max(0, wave(t, 3, 0.1) + 0.35);
  const open = 1 - 0.3 * Math.min(1, talking) * (1 + wave(t, 62)) * (0.7 + 0.3 * wave(t, 23));
  mouth.setAttribute('transform', `translate(0 503) scale(1 ${open}) translate(0 -503)`);
  const lift = 15 * wave(t, 2, 0.2) + 5 * wave(t, 5);
  bowl.setAttribute('transform', `translate(${4 * wave(t, 2)} ${lift}) rotate(${3.4 * wave(t, 3, 0.4)} 0 890)`);
  sleeves.setAttribute('transform', `translate(0 ${lift * 0.35})`);

  clock.hand.setAttribute('transform', `rotate(${360 * t})`);
  clock.pendulum.setAttribute('transform', `rotate(${13 * wave(t, LOOP_S / 1.5)})`);
  for (const { x: left, y: foot, index, path } of steam) {
    const rise = (4 * t + index * 0.27) % 1;
    const sway = 9 * wave(t, 8, index * 0.21);
    path.setAttribute('d', `M${left} ${foot - 70 * rise}q${14 + sway} -22 0 -44t0 -44`);
    path.setAttribute('opacity', String(0.34 * Math.sin(Math.PI * rise)));
  }
  const length = count * GOODS_STEP;
  for (const print of prints) {
    const place = Number(/** @type {SVGElement} */ (print).dataset.place) - length * t;
    const wrapped = ((place % length) + length) % length;
    print.setAttribute('transform', `translate(${wrapped - 300 + (HOST_X - 749.5)} 1330) rotate(${1.6 * wave(t, 5, wrapped / 900)} 105 224)`);
  }
}

Object.assign(globalThis, {
  /** @param {string[]} pictures */
  start(pictures) {
    scene = build(pictures);
    moveTo(0);
  },
  moveTo,
});
