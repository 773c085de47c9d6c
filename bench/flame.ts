/**
 * A CPU profile as a picture: what called what from the top down, as wide as the time it took. Loading modules and waiting
 * are left out: a process does the one once, and the other is no work.
 */
import { escaped, INK, QUIET } from './chart.js';

export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples?: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas?: readonly number[];
}

export interface Frame {
  readonly name: string;
  /** Whose code it is: a package, `node`, or the product's own. */
  readonly owner: string;
  /** With what it called, microseconds. */
  time: number;
  readonly children: Map<string, Frame>;
}

const WIDTH = 1_200;
const ROW = 16;
const TOP = 48;
/** Narrower ones are left out, and what they call. */
const WIDTH_MIN = 2;
const CHARACTER = 6.2;
const PACKAGE = /node_modules\/((?:@[^/]+\/)?[^/]+)/;
const OWN = 'ticktak';
const COLOURS: Readonly<Record<string, string>> = { [OWN]: '#7fc8a9', node: '#cbd2d9', engine: '#f0b429' };
const OTHER_COLOUR = '#9fb3c8';

const isLeftOut = ({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): boolean =>
  functionName === '(idle)' || url.startsWith('node:internal/modules/');

function ownerOf(url: string): string {
  if (url === '') return 'engine';
  if (url.startsWith('node:')) return 'node';
  return PACKAGE.exec(url)?.[1] ?? OWN;
}

/** Calls of the same function from the same place are one frame, also when it is compiled anew between them. */
export function framesOf(profile: CpuProfile): Frame {
  const self = new Map<number, number>();
  profile.samples?.forEach((id, index) => {
    self.set(id, (self.get(id) ?? 0) + (profile.timeDeltas?.[index] ?? 0));
  });
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const root: Frame = { name: 'all', owner: 'engine', time: 0, children: new Map() };
  const add = (id: number, parent: Frame): number => {
    const node = nodes.get(id);
    if (!node || isLeftOut(node.callFrame)) return 0;
    const { functionName, url, lineNumber } = node.callFrame;
    const file = url.split('/').slice(-2).join('/');
    const name = `${functionName === '' ? '(anonymous)' : functionName}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`;
    const frame = parent.children.get(name) ?? { name, owner: ownerOf(url), time: 0, children: new Map() };
    parent.children.set(name, frame);
    let time = self.get(id) ?? 0;
    for (const child of node.children ?? []) time += add(child, frame);
    frame.time += time;
    return time;
  };
  for (const child of profile.nodes[0]?.children ?? []) root.time += add(child, root);
  return root;
}

/** `title` says which process of which run it is. */
export function flameOf(profile: CpuProfile, title: string): string {
  const root = framesOf(profile);
  const bars: string[] = [];
  let depth = 0;
  const draw = (frame: Frame, x: number, level: number): void => {
    const width = (WIDTH * frame.time) / Math.max(1, root.time);
    if (width < WIDTH_MIN) return;
    depth = Math.max(depth, level);
    bars.push(bar(frame, x, TOP + level * ROW, width, root.time));
    let at = x;
    for (const child of [...frame.children.values()].sort((a, b) => b.time - a.time)) {
      draw(child, at, level + 1);
      at += (WIDTH * child.time) / Math.max(1, root.time);
    }
  };
  draw(root, 0, 0);
  const height = TOP + (depth + 1) * ROW + 8;
  const font = 'font-family="ui-monospace, monospace" font-size="10"';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ${font} ` +
      `role="img" aria-label="${escaped(title)}">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="8" y="18" font-size="13" font-weight="600" fill="${INK}">${escaped(title)}</text>`,
    `<text x="8" y="36" fill="${QUIET}">Width is processor time. Green: ticktak; blue: packages; grey: Node.js; yellow: the engine. ` +
      'Loading modules and waiting are left out.</text>',
    ...bars,
    '</svg>',
    '',
  ].join('\n');
}

function bar({ name, owner, time }: Frame, x: number, y: number, width: number, all: number): string {
  const percent = ((100 * time) / Math.max(1, all)).toFixed(1);
  const room = Math.floor((width - 4) / CHARACTER);
  const label = room < 3 ? '' : name.length > room ? `${name.slice(0, room - 1)}…` : name;
  const colour = COLOURS[owner] ?? OTHER_COLOUR;
  return (
    `<g><title>${escaped(`${name} (${owner}) ${percent} %`)}</title>` +
    `<rect x="${x.toFixed(1)}" y="${y}" width="${(width - 0.4).toFixed(1)}" height="${ROW - 1}" fill="${colour}"/>` +
    (label === ''
      ? ''
      : `<text x="${(x + 2).toFixed(1)}" y="${y + 11}" fill="${INK}">${escaped(label)}</text>`) +
    '</g>'
  );
}
