import { describe, expect, it } from '@jest/globals';
import { personOf, pseudonym } from '../../src/security/person.js';

describe('a person', () => {
  it.each([
    ['fan@example.org', 'FAN@Example.ORG'],
    ['fan@example.org', ' fan@example.org '],
    ['fan@example.org', 'fan+2@example.org'],
    ['fan@example.org', 'fan+a+b@example.org'],
    ['fan@example.org', 'fan@example.org.'],
    ['fan@example.org', 'ｆａｎ＠example.org'],
    ['anna.fan@example.org', 'Anna.Fan+tickets@example.org'],
    ['annafan@gmail.com', 'anna.fan@gmail.com'],
    ['annafan@gmail.com', 'A.N.N.A.Fan+x@googlemail.com'],
    ['fan@xn--mnchen-3ya.example', 'fan@münchen.example'],
    ['fan@xn--mnchen-3ya.example', 'fan@MÜNCHEN.example'],
    ['fan@xn--mnchen-3ya.example', 'fan@xn--mnchen-3ya.example'],
  ])('is %s, written %s', (person, written) => {
    expect(personOf(written)).toBe(person);
    expect(personOf(person)).toBe(person);
  });

  it('is another one where the provider says so', () => {
    expect(personOf('anna.fan@example.org')).not.toBe(personOf('annafan@example.org'));
    expect(personOf('fan@example.org')).not.toBe(personOf('fan@example.com'));
    expect(personOf('+tag@example.org')).toBe('+tag@example.org');
  });

  it('keeps the id of an account', () => {
    expect(personOf('Acc-01')).toBe('Acc-01');
  });

  it('does not show in a pseudonym, which no other kind shares', () => {
    const name = pseudonym('secret', 'person', 'fan@example.org');
    expect(name).toMatch(/^[0-9a-f]{32}$/);
    expect(pseudonym('secret', 'person', 'fan@example.org')).toBe(name);
    expect(pseudonym('other', 'person', 'fan@example.org')).not.toBe(name);
    expect(pseudonym('secret', 'card', 'fan@example.org')).not.toBe(name);
  });
});
