/**
 * Text on a page, in any direction. Guarantees: a line is ordered as the Unicode bidirectional algorithm (UAX 9)
 * says, each run shaped by the font it is set in; no character without a glyph is drawn as an empty box; nothing
 * is wider than it may be; characters that could turn or hide text are left out.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Bidi } from 'bidi-js';
import * as fontkit from 'fontkit';
import { sfntOf } from './woff.js';

type Document = PDFKit.PDFDocument;

export type Direction = 'ltr' | 'rtl';
export type Weight = 400 | 700;

/** Embedded from packages: what every reader of PDF has knows no Arabic. The first that has a character sets it. */
const FAMILIES = {
  arabic: '@fontsource/noto-sans-arabic/files/noto-sans-arabic-arabic',
  latin: '@fontsource/noto-sans/files/noto-sans-latin',
  latinExt: '@fontsource/noto-sans/files/noto-sans-latin-ext',
} as const;
type Family = keyof typeof FAMILIES;
const WEIGHTS = [400, 700] as const;
/** Stands for what no font has. */
const UNKNOWN = '?';
const SIZE_MIN = 7;

interface Fonts {
  readonly files: ReadonlyMap<string, Buffer>;
  has(family: Family, codePoint: number): boolean;
}

let loaded: Fonts | null = null;

/** Read at the first use, once. */
function fonts(): Fonts {
  if (loaded) return loaded;
  const { resolve } = createRequire(import.meta.url);
  const files = new Map<string, Buffer>();
  const covered = new Map<Family, fontkit.Font>();
  for (const family of familyNames()) {
    for (const weight of WEIGHTS) {
      const file = sfntOf(readFileSync(resolve(`${FAMILIES[family]}-${weight}-normal.woff`)));
      files.set(fontName(family, weight), file);
      const font = fontkit.create(file);
      if (weight === 400 && 'hasGlyphForCodePoint' in font) covered.set(family, font);
    }
  }
  const has = (family: Family, codePoint: number): boolean =>
    covered.get(family)?.hasGlyphForCodePoint(codePoint) ?? false;
  loaded = { files, has };
  return loaded;
}

const familyNames = (): readonly Family[] => ['arabic', 'latin', 'latinExt'];
const fontName = (family: Family, weight: Weight): string => `${family}-${weight}`;

export function registerFonts(document: Document): void {
  // Parsed anew for each: what pdfkit makes of a font belongs to one document.
  for (const [name, file] of fonts().files) document.registerFont(name, file);
}

export interface Line {
  readonly text: string;
  readonly direction: Direction;
  readonly weight?: Weight;
  readonly size: number;
  readonly colour: string;
  /** The line's box, and where its text stands in it: at its start, its end, or in the middle. */
  readonly x: number;
  readonly width: number;
  readonly align?: 'start' | 'end' | 'centre';
  /** The line's baseline. */
  readonly y: number;
}

interface Run {
  readonly text: string;
  readonly font: string;
  readonly level: number;
}

/** Control and format characters: overrides of direction, zero-width ones, line ends. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
/** Draws one line, smaller where it would not fit, and cut where that is not enough. */
export function drawLine(document: Document, line: Line): void {
  const { direction, weight = 400, x, width, y, colour, align = 'start' } = line;
  const clean = line.text.replace(HIDDEN, ' ').trim();
  const { runs, size } = fitted(document, clean, { direction, weight, size: line.size, width });
  const total = widthOf(document, runs, size);
  const isRight = (align === 'start') === (direction === 'rtl');
  let at = align === 'centre' ? x + (width - total) / 2 : isRight ? x + width - total : x;
  document.fillColor(colour);
  for (const { text, font } of runs) {
    document.font(font).fontSize(size);
    document.text(text, at, y, { lineBreak: false, baseline: 'alphabetic' });
    at += document.widthOfString(text);
  }
}

function fitted(
  document: Document,
  text: string,
  { direction, weight, size, width }: Required<Pick<Line, 'direction' | 'weight' | 'size' | 'width'>>,
): { readonly runs: readonly Run[]; readonly size: number } {
  let runs = runsOf(text, direction, weight);
  const natural = widthOf(document, runs, size);
  if (natural <= width) return { runs, size };
  const smaller = Math.max(SIZE_MIN, (size * width) / natural);
  let kept = Array.from(text);
  while (kept.length > 1 && widthOf(document, runs, smaller) > width) {
    kept = kept.slice(0, -Math.max(1, Math.floor(kept.length / 20)));
    runs = runsOf(`${kept.join('')}…`, direction, weight);
  }
  return { runs, size: smaller };
}

function widthOf(document: Document, runs: readonly Run[], size: number): number {
  return runs.reduce(
    (sum, { text, font }) => sum + document.font(font).fontSize(size).widthOfString(text),
    0,
  );
}

// The package is CommonJS and its types are not: an import of its default would have no call.
const bidi: Bidi = (createRequire(import.meta.url)('bidi-js') as () => Bidi)();

/**
 * Runs of one font and one direction, in the order in which they stand from left to right. Spaces are never in a
 * run of Arabic: pdfkit lays out, and remembers, word by word, which would leave its words in the wrong order.
 */
export function runsOf(text: string, direction: Direction, weight: Weight): readonly Run[] {
  const drawn = Array.from(text, (character) => (familyOf(character) ? character : UNKNOWN)).join('');
  const { levels } = bidi.getEmbeddingLevels(drawn, direction);
  const runs: Run[] = [];
  let index = 0;
  for (const character of drawn) {
    const level = levels[index] ?? 0;
    const font = fontName(familyOf(character) ?? 'latin', weight);
    index += character.length;
    const last = runs.at(-1);
    if (last && last.level === level && last.font === font) {
      runs[runs.length - 1] = { text: last.text + character, font, level };
    } else runs.push({ text: character, font, level });
  }
  return reordered(runs).map((run) => (isTurned(run) ? { ...run, text: turned(run.text) } : run));
}

function familyOf(character: string): Family | null {
  const codePoint = character.codePointAt(0) ?? 0;
  // Spaces, digits and marks of both scripts are set in one font.
  const families: readonly Family[] = codePoint < 0x600 ? ['latin', 'latinExt', 'arabic'] : familyNames();
  return families.find((family) => fonts().has(family, codePoint)) ?? null;
}

/** UAX 9, rule L2: from the highest level down to the lowest odd one, what is on it or above is turned round. */
function reordered(runs: readonly Run[]): readonly Run[] {
  const order = [...runs];
  const highest = Math.max(0, ...runs.map(({ level }) => level));
  for (let level = highest; level >= 1; level -= 1) {
    let from = 0;
    while (from < order.length) {
      if ((order[from]?.level ?? 0) < level) {
        from += 1;
        continue;
      }
      let to = from;
      while (to < order.length && (order[to]?.level ?? 0) >= level) to += 1;
      order.splice(from, to - from, ...order.slice(from, to).reverse());
      from = to;
    }
  }
  return order;
}

/** The shaper of an Arabic run turns it by itself; of marks and spaces between two of them it does not know. */
const isTurned = ({ level, font }: Run): boolean => level % 2 === 1 && !font.startsWith('arabic');

function turned(text: string): string {
  return Array.from(text)
    .reverse()
    .map((character) => bidi.getMirroredCharacter(character) ?? character)
    .join('');
}
