/** Which flag file a team of the bundled list has (web/public/flags); a team that is not here has none. */
const FLAGS: Readonly<Record<string, string>> = {
  Argentina: 'ar',
  Australia: 'au',
  Belgium: 'be',
  Brazil: 'br',
  Cameroon: 'cm',
  Canada: 'ca',
  'Costa Rica': 'cr',
  Croatia: 'hr',
  Denmark: 'dk',
  Ecuador: 'ec',
  England: 'gb-eng',
  France: 'fr',
  Germany: 'de',
  Ghana: 'gh',
  Iran: 'ir',
  Japan: 'jp',
  'Korea Republic': 'kr',
  Mexico: 'mx',
  Morocco: 'ma',
  Netherlands: 'nl',
  Poland: 'pl',
  Portugal: 'pt',
  Qatar: 'qa',
  'Saudi Arabia': 'sa',
  Senegal: 'sn',
  Serbia: 'rs',
  Spain: 'es',
  Switzerland: 'ch',
  Tunisia: 'tn',
  USA: 'us',
  Uruguay: 'uy',
  Wales: 'gb-wls',
};

/** The name of a team that is not known yet, in the master list. */
export const TO_BE_ANNOUNCED = 'TBA';

export const flagOf = (team: string): string | undefined =>
  Object.hasOwn(FLAGS, team) ? FLAGS[team] : undefined;
