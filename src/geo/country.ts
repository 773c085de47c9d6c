/**
 * In which country an address is: for figures, and for presales that an operator opens to some countries only
 * (src/phases). It proves little of a buyer: whoever wants to comes by an address elsewhere.
 *
 * Guarantees: it asks nobody, it never throws, and what it does not know, or what is nobody's in public, it says
 * nothing of. The list comes with a package and is read at the first question: 8 MB, which stay. It is as old as
 * the package, and about one address in sixty is elsewhere than it says. It is made of what the regional
 * registries and the networks themselves publish: statistics data of the Number Resource Organization
 * (https://www.nro.net/), CC BY 4.0.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Reader } from 'mmdb-lib';
import { AddressSet } from '../security/address-set.js';
import { parseAddress, parseRange, rangeText, type Address } from '../security/address.js';

const LIST = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb';

/** Not of the public internet: https://www.iana.org/assignments/iana-ipv4-special-registry and its twin for IPv6. */
const SPECIAL = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24'],
  ...['203.0.113.0/24', '224.0.0.0/3'],
  ...[
    '::/16',
    '64:ff9b:1::/48',
    '100::/64',
    '2001:db8::/32',
    '3fff::/20',
    'fc00::/7',
    'fe80::/10',
    'ff00::/8',
  ],
];

/** ISO 3166-1 alpha-2. */
export const COUNTRY = /^[A-Z]{2}$/;

interface Entry {
  readonly country_code?: unknown;
}

interface Countries {
  readonly special: AddressSet;
  readonly entry: (address: string) => Entry | null;
}

let countries: Countries | null = null;

/** ISO 3166-1 alpha-2; null when it is not known. */
export function countryOf(address: string): string | null {
  const parsed = parseAddress(address);
  if (!parsed) return null;
  countries ??= load();
  if (countries.special.has(parsed, 0)) return null;
  const code = countries.entry(plainText(parsed))?.country_code;
  return typeof code === 'string' && COUNTRY.test(code) ? code : null;
}

const plainText = (address: Address): string => rangeText({ ...address, prefix: 0 }).replace(/\/\d+$/, '');

function load(): Countries {
  const special = new AddressSet();
  for (const text of SPECIAL) {
    const range = parseRange(text);
    if (range) special.add(range);
  }
  return { special, entry: readList() };
}

/** Without the list no country is known, and everything else goes on. */
function readList(): Countries['entry'] {
  try {
    const file = readFileSync(createRequire(import.meta.url).resolve(LIST));
    // Its records have one field; the package knows types for those of other lists only.
    const reader: { get(address: string): unknown } = new Reader(file);
    return (address) => reader.get(address) as Entry | null;
  } catch {
    return () => null;
  }
}
