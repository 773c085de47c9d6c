/** The stadium as a drawing: rings of seats around the pitch, cut into the zones of the categories. Pure geometry. */
import type { Category } from '../../api/types';

export const BOWL = { width: 400, height: 300 } as const;
const CENTRE = { x: 200, y: 150 };
/** Half axes: of the inner edge, of the gap between the tiers, and of the outer edge. */
const TIERS = [
  { inner: { x: 116, y: 82 }, outer: { x: 150, y: 110 } },
  { inner: { x: 155, y: 114 }, outer: { x: 192, y: 143 } },
] as const;
/** Rounder than a rectangle, squarer than an ellipse. */
const SQUARENESS = 2.6;
const STEP_DEGREES = 3;
/** Between two blocks. */
const GAP_DEGREES = 1.2;

interface Arc {
  readonly category: Category;
  readonly from: number;
  readonly to: number;
}

/** Degrees from the middle of the end on the right. The dearest seats are along the sides, the cheapest behind the goals. */
const ARCS: readonly Arc[] = [
  { category: 1, from: -28, to: 28 },
  { category: 2, from: 28, to: 52 },
  { category: 3, from: 52, to: 128 },
  { category: 2, from: 128, to: 152 },
  { category: 1, from: 152, to: 208 },
  { category: 2, from: 208, to: 232 },
  { category: 3, from: 232, to: 308 },
  { category: 2, from: 308, to: 332 },
];

interface Point {
  readonly x: number;
  readonly y: number;
}

/** On a superellipse with these half axes. */
function pointAt(degrees: number, half: Point): Point {
  const angle = (degrees * Math.PI) / 180;
  const along = (value: number): number => Math.sign(value) * Math.abs(value) ** (2 / SQUARENESS);
  return {
    x: CENTRE.x + half.x * along(Math.cos(angle)),
    y: CENTRE.y - half.y * along(Math.sin(angle)),
  };
}

const text = ({ x, y }: Point): string => `${x.toFixed(1)} ${y.toFixed(1)}`;

function edge(from: number, to: number, half: Point): string[] {
  const steps = Math.max(1, Math.round(Math.abs(to - from) / STEP_DEGREES));
  return Array.from({ length: steps + 1 }, (_, step) =>
    text(pointAt(from + ((to - from) * step) / steps, half)),
  );
}

function block({ from, to }: Arc, inner: Point, outer: Point): string {
  const [start, end] = [from + GAP_DEGREES / 2, to - GAP_DEGREES / 2];
  return `M${[...edge(start, end, outer), ...edge(end, start, inner)].join('L')}Z`;
}

export interface Zone {
  readonly category: Category;
  /** Outlines of its blocks. */
  readonly path: string;
  /** Where its number stands. */
  readonly labels: readonly Point[];
}

/** Of every category; the same on the server and in every browser. */
export const ZONES: readonly Zone[] = ([1, 2, 3] as const).map((category) => {
  const arcs = ARCS.filter((arc) => arc.category === category);
  return {
    category,
    path: arcs.flatMap((arc) => TIERS.map(({ inner, outer }) => block(arc, inner, outer))).join(''),
    labels: arcs.map(({ from, to }) => {
      const { x, y } = pointAt((from + to) / 2, { x: 154, y: 112 });
      return { x: Math.round(x), y: Math.round(y) };
    }),
  };
});
