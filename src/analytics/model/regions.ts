/**
 * Which countries lie together, and which country a team plays for: plain data.
 *
 * Countries by region follow the United Nations' "Standard country or area codes for statistical use" (M49,
 * https://unstats.un.org/unsd/methodology/m49/), written with ISO 3166-1 alpha-2 codes; Taiwan stands with Eastern
 * Asia, which M49 does not list apart. Two groups that people speak of and M49 has not are added below it.
 */

/** M49's smallest regions. */
const SUBREGIONS = {
  'Northern Africa': 'DZ EG EH LY MA SD TN',
  'Eastern Africa': 'BI DJ ER ET IO KE KM MG MU MW MZ RE RW SC SO SS TF TZ UG YT ZM ZW',
  'Middle Africa': 'AO CD CF CG CM GA GQ ST TD',
  'Southern Africa': 'BW LS NA SZ ZA',
  'Western Africa': 'BF BJ CI CV GH GM GN GW LR ML MR NE NG SH SL SN TG',
  Caribbean: 'AG AI AW BB BL BQ BS CU CW DM DO GD GP HT JM KN KY LC MF MQ MS PR SX TC TT VC VG VI',
  'Central America': 'BZ CR GT HN MX NI PA SV',
  'South America': 'AR BO BR BV CL CO EC FK GF GS GY PE PY SR UY VE',
  'Northern America': 'BM CA GL PM US',
  'Central Asia': 'KG KZ TJ TM UZ',
  'Eastern Asia': 'CN HK JP KP KR MN MO TW',
  'South-eastern Asia': 'BN ID KH LA MM MY PH SG TH TL VN',
  'Southern Asia': 'AF BD BT IN IR LK MV NP PK',
  'Western Asia': 'AE AM AZ BH CY GE IL IQ JO KW LB OM PS QA SA SY TR YE',
  'Eastern Europe': 'BG BY CZ HU MD PL RO RU SK UA',
  'Northern Europe': 'AX DK EE FI FO GB GG IE IM IS JE LT LV NO SE SJ',
  'Southern Europe': 'AD AL BA ES GI GR HR IT ME MK MT PT RS SI SM VA',
  'Western Europe': 'AT BE CH DE FR LI LU MC NL',
  'Australia and New Zealand': 'AU CC CX HM NF NZ',
  Melanesia: 'FJ NC PG SB VU',
  Micronesia: 'FM GU KI MH MP NR PW UM',
  Polynesia: 'AS CK NU PF PN TK TO TV WF WS',
} as const;
type Subregion = keyof typeof SUBREGIONS;

/** M49's regions, and those between the two. */
const REGIONS: Readonly<Record<string, readonly Subregion[]>> = {
  Africa: ['Northern Africa', 'Eastern Africa', 'Middle Africa', 'Southern Africa', 'Western Africa'],
  'Sub-Saharan Africa': ['Eastern Africa', 'Middle Africa', 'Southern Africa', 'Western Africa'],
  Americas: ['Caribbean', 'Central America', 'South America', 'Northern America'],
  'Latin America and the Caribbean': ['Caribbean', 'Central America', 'South America'],
  Asia: ['Central Asia', 'Eastern Asia', 'South-eastern Asia', 'Southern Asia', 'Western Asia'],
  Europe: ['Eastern Europe', 'Northern Europe', 'Southern Europe', 'Western Europe'],
  Oceania: ['Australia and New Zealand', 'Melanesia', 'Micronesia', 'Polynesia'],
};

/** Ours: the lands from Egypt to Iran, and those of the Arab League. */
const GROUPS: Readonly<Record<string, string>> = {
  'Middle East': 'AE BH CY EG IL IQ IR JO KW LB OM PS QA SA SY TR YE',
  'Arab States': 'AE BH DJ DZ EG IQ JO KM KW LB LY MA MR OM PS QA SA SD SO SY TN YE',
};

/**
 * Teams whose name is not the English name of a country as ICU has it: the names of FIFA's lists and common others.
 * The nations of the United Kingdom are one country.
 */
const TEAM_COUNTRIES: Readonly<Record<string, string>> = {
  England: 'GB',
  Scotland: 'GB',
  Wales: 'GB',
  'Northern Ireland': 'GB',
  'Republic of Ireland': 'IE',
  USA: 'US',
  'IR Iran': 'IR',
  'Korea Republic': 'KR',
  'Korea DPR': 'KP',
  'China PR': 'CN',
  'Chinese Taipei': 'TW',
  'Hong Kong': 'HK',
  Macau: 'MO',
  Turkey: 'TR',
  Türkiye: 'TR',
  'Czech Republic': 'CZ',
  Czechia: 'CZ',
  'Bosnia and Herzegovina': 'BA',
  Macedonia: 'MK',
  'Ivory Coast': 'CI',
  "Côte d'Ivoire": 'CI',
  'Cape Verde': 'CV',
  'Cabo Verde': 'CV',
  'Congo DR': 'CD',
  'DR Congo': 'CD',
  Congo: 'CG',
  'The Gambia': 'GM',
  Swaziland: 'SZ',
  'São Tomé and Príncipe': 'ST',
  Myanmar: 'MM',
  'Brunei Darussalam': 'BN',
  'Kyrgyz Republic': 'KG',
  Palestine: 'PS',
  Curacao: 'CW',
  'US Virgin Islands': 'VI',
  'St. Kitts and Nevis': 'KN',
  'St. Lucia': 'LC',
  'St. Vincent and the Grenadines': 'VC',
  'Trinidad and Tobago': 'TT',
  'Antigua and Barbuda': 'AG',
  'Turks and Caicos Islands': 'TC',
};

const codes = (text: string): string[] => text.split(' ');

const BY_REGION: readonly (readonly [region: string, countries: readonly string[]])[] = [
  ...Object.entries(SUBREGIONS).map(([name, text]) => [name, codes(text)] as const),
  ...Object.entries(REGIONS).map(
    ([name, parts]) => [name, parts.flatMap((part) => codes(SUBREGIONS[part]))] as const,
  ),
  ...Object.entries(GROUPS).map(([name, text]) => [name, codes(text)] as const),
];

const REGIONS_OF = new Map<string, string[]>();
for (const [region, countries] of BY_REGION) {
  for (const country of countries) REGIONS_OF.set(country, [...(REGIONS_OF.get(country) ?? []), region]);
}

/** Every region there is; an artefact names those it was made with. */
export const REGION_NAMES: readonly string[] = BY_REGION.map(([name]) => name);

/** The regions a country lies in, smallest first; none for a code that is no country. */
export function regionsOf(country: string | null): readonly string[] {
  return country === null ? [] : (REGIONS_OF.get(country) ?? []);
}

/** ISO 3166-1 alpha-2 of every country and area. */
export const COUNTRY_CODES: readonly string[] = [...REGIONS_OF.keys()].sort();

const NAMES = new Intl.DisplayNames(['en'], { type: 'region' });
const BY_NAME = new Map<string, string>([
  ...COUNTRY_CODES.map((code) => [plain(NAMES.of(code) ?? code), code] as const),
  ...Object.entries(TEAM_COUNTRIES).map(([team, code]) => [plain(team), code] as const),
]);

/** The country a team plays for, ISO 3166-1 alpha-2; null for a club, or a name that is not known. */
export function countryOfTeam(team: string): string | null {
  return BY_NAME.get(plain(team)) ?? null;
}

/** Without accents, case, and the ways to write "and". */
function plain(name: string): string {
  return name
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll('’', "'")
    .replaceAll('&', 'and')
    .toLowerCase()
    .trim();
}

/** The smallest region that two countries share, by its place in `REGION_NAMES`; -1 where they share none. */
export function sharedRegion(one: string, other: string): string | null {
  const others = regionsOf(other);
  return regionsOf(one).find((region) => others.includes(region)) ?? null;
}
