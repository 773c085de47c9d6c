/** The holds of a report as an SVG of bars: the median of the rounds, and a line from the slowest round to the fastest. */
import type { Report, Row } from './report.js';

const WIDTH = 960;
const LABELS = 300;
const VALUES = 120;
const BAR = 14;
const GAP = 6;
const HEAD = 34;
const TOP = 56;
const FONT = 'font-family="system-ui, sans-serif"';
export const INK = '#1f2933';
export const QUIET = '#52606d';
/** The product stands out; whoever reads it in grey sees which they are by their names. */
const COLOURS = { product: '#0b6e4f', other: '#9aa5b1' };

/** For XML. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** Rows of `group`; empty text when there are none that can be drawn. */
export function chartOf(report: Report, group: string): string {
  const rows = report.rows.filter((row) => row.case.startsWith(`${group}-`) && row.perSecond.median > 0);
  const cases = [...new Set(rows.map((row) => row.case))];
  if (cases.length === 0) return '';
  const most = Math.max(...rows.map(({ perSecond }) => perSecond.max));
  const titles = new Map(
    report.contenders.filter((each) => each.group === group).map(({ id, title }) => [id, title]),
  );
  let y = TOP;
  const parts = cases.flatMap((name) => {
    const own = rows.filter((row) => row.case === name);
    const drawn = [text(16, y + 16, own[0]?.title ?? name, 'font-weight="600"')];
    y += HEAD;
    for (const row of own) {
      drawn.push(bar(row, y, most, titles.get(row.contender) ?? row.contender));
      y += BAR + GAP;
    }
    y += GAP;
    return drawn;
  });
  const { machine, options, startedAt } = report;
  const about =
    `${startedAt.slice(0, 10)}, ${machine.processors}, ${options.rounds} rounds of ${options.seconds} s, ` +
    `median and range, load before ${machine.load.toFixed(1)}`;
  const unit = rows[0]?.unit ?? '';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + GAP}" viewBox="0 0 ${WIDTH} ${y + GAP}" ` +
      `role="img" aria-label="${escaped(`${unit} per second`)}">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(16, 24, `${unit} per second; longer is faster`, 'font-size="16" font-weight="600"'),
    text(16, 44, about, `font-size="12" fill="${QUIET}"`),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function bar({ contender, perSecond }: Row, y: number, most: number, title: string): string {
  const { median, min, max } = perSecond;
  const scale = (value: number): number => Math.round(((WIDTH - LABELS - VALUES) * value) / most);
  const colour = contender.startsWith('ticktak/') ? COLOURS.product : COLOURS.other;
  const middle = y + BAR / 2;
  return [
    text(LABELS - 8, middle + 4, title, 'text-anchor="end"'),
    `<rect x="${LABELS}" y="${y}" width="${scale(median)}" height="${BAR}" rx="2" fill="${colour}"/>`,
    `<path d="M${LABELS + scale(min)} ${middle}H${LABELS + scale(max)}" stroke="${INK}" stroke-width="2"/>`,
    text(LABELS + scale(max) + 8, middle + 4, Math.round(median).toLocaleString('en')),
  ].join('\n');
}

function text(x: number, y: number, content: string, more = ''): string {
  const size = more.includes('font-size') ? '' : ' font-size="12"';
  const fill = more.includes('fill=') ? '' : ` fill="${INK}"`;
  return `<text x="${x}" y="${y}" ${FONT}${size}${fill} ${more}>${escaped(content)}</text>`;
}
