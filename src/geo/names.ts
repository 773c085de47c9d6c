/** Countries by name and by code. Names are those of English, and those that the market's lists use besides. Pure. */
import { COUNTRY } from './country.js';

/** Teams of a country under other names than its own, lower case. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  US: ['usa'],
  KR: ['korea republic'],
  GB: ['england', 'wales', 'scotland'],
  IR: ['ir iran'],
};

const ENGLISH = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' });

/** In English; the code itself when it is nobody's. */
export const countryName = (code: string): string => ENGLISH.of(code) ?? code;

/** A country by its name or code: its code, when there is one, and its names in lower case. */
export function countryByText(text: string): {
  readonly code: string | null;
  readonly names: readonly string[];
} {
  const given = text.trim();
  const lower = given.toLowerCase();
  const code = COUNTRY.test(given.toUpperCase()) ? given.toUpperCase() : (codesByName().get(lower) ?? null);
  if (code === null) return { code, names: [lower] };
  // Whoever names one of several teams of a country means that one.
  if (OTHER_NAMES[code]?.includes(lower) === true) return { code, names: [lower] };
  return {
    code,
    names: [...new Set([lower, countryName(code).toLowerCase(), ...(OTHER_NAMES[code] ?? [])])],
  };
}

let byName: ReadonlyMap<string, string> | null = null;

/** Made at the first question: it looks at every pair of letters. */
function codesByName(): ReadonlyMap<string, string> {
  if (byName) return byName;
  const letters = Array.from({ length: 26 }, (_, index) => String.fromCharCode(65 + index));
  const codes = letters.flatMap((first) => letters.map((second) => first + second));
  const named = codes.flatMap((code) => {
    const name = ENGLISH.of(code);
    return name === undefined ? [] : [[name.toLowerCase(), code] as const];
  });
  const others = Object.entries(OTHER_NAMES).flatMap(([code, names]) =>
    names.map((name) => [name, code] as const),
  );
  byName = new Map([...named, ...others]);
  return byName;
}
