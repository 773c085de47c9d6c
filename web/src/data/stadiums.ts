/** Where the stadiums of the bundled list are. A stadium that is not here is shown by its name, in UTC. */
export interface Stadium {
  readonly city: string;
  readonly country: string;
  readonly timeZone: string;
}

const qatar = (city: string): Stadium => ({ city, country: 'QA', timeZone: 'Asia/Qatar' });

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

export const stadiumOf = (location: string): Stadium | undefined =>
  Object.hasOwn(STADIUMS, location) ? STADIUMS[location] : undefined;

export const timeZoneOf = (location: string): string => stadiumOf(location)?.timeZone ?? 'UTC';
