/** Where the stadiums of the bundled list are: the master list gives their names only, and UTC. */
interface Stadium {
  readonly city: string;
  /** IANA name. */
  readonly timeZone: string;
}

const qatar = (city: string): Stadium => ({ city, timeZone: 'Asia/Qatar' });

const STADIUMS: Readonly<Record<string, Stadium>> = {
  'Ahmad Bin Ali Stadium': qatar('Al Rayyan'),
  'Al Bayt Stadium': qatar('Al Khor'),
  'Al Janoub Stadium': qatar('Al Wakrah'),
  'Al Thumama Stadium': qatar('Doha'),
  'Education City Stadium': qatar('Al Rayyan'),
  'Khalifa International Stadium': qatar('Al Rayyan'),
  'Lusail Stadium': qatar('Lusail'),
  'Stadium 974': qatar('Doha'),
};

const stadiumOf = (location: string): Stadium | undefined =>
  Object.hasOwn(STADIUMS, location) ? STADIUMS[location] : undefined;

/** IANA name; `UTC` for a place that is not known. */
export function timeZoneOf(location: string): string {
  return stadiumOf(location)?.timeZone ?? 'UTC';
}

/** Absent for a place that is not known. */
export function cityOf(location: string): string | undefined {
  return stadiumOf(location)?.city;
}
