/** Where the stadiums of the bundled list are in time: the master list gives UTC only. */
const TIME_ZONES: Readonly<Record<string, string>> = {
  'Ahmad Bin Ali Stadium': 'Asia/Qatar',
  'Al Bayt Stadium': 'Asia/Qatar',
  'Al Janoub Stadium': 'Asia/Qatar',
  'Al Thumama Stadium': 'Asia/Qatar',
  'Education City Stadium': 'Asia/Qatar',
  'Khalifa International Stadium': 'Asia/Qatar',
  'Lusail Stadium': 'Asia/Qatar',
  'Stadium 974': 'Asia/Qatar',
};

/** IANA name; `UTC` for a place that is not known. */
export function timeZoneOf(location: string): string {
  return Object.hasOwn(TIME_ZONES, location) ? (TIME_ZONES[location] ?? 'UTC') : 'UTC';
}
