import { describe, expect, it } from '@jest/globals';
import { countryOf } from '../../src/geo/country.js';

describe('the country of an address', () => {
  // Held for many years by networks of one country: the list says the same in every edition.
  it.each([
    ['of IPv4', '212.58.244.20', 'GB'],
    ['of the host country', '89.211.0.1', 'QA'],
    ['of IPv6', '2a02:8100::1', 'DE'],
    ['of IPv4 in its IPv6 form', '::ffff:212.58.244.20', 'GB'],
    ['with a zone', '2a02:8100::1%eth0', 'DE'],
  ])('is known %s', (_what, address, country) => {
    expect(countryOf(address)).toBe(country);
  });

  // The list calls some of these a country.
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.1.1',
    '100.64.0.1',
    '0.0.0.0',
    '192.0.2.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:192.168.1.1',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '2001:db8::1',
  ])('is not known of %s, which is nobody’s in public', (address) => {
    expect(countryOf(address)).toBeNull();
  });

  it.each(['', 'unknown', 'localhost', '1.2.3', '1.2.3.4:80', '1.2.3.4, 5.6.7.8', 'x'.repeat(5_000)])(
    'is not known of what is no address: %j',
    (text) => {
      expect(countryOf(text)).toBeNull();
    },
  );
});
