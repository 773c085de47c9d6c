import { describe, expect, it } from '@jest/globals';
import { cardOf, groupedNumber, isTestCard, OFFERED_CARDS, wrongFields } from '../../src/checkout/cards';
import { declineKeyOf } from '../../src/checkout/declines';
import { majorOf, minorOf } from '../../src/checkout/types';

describe('the card form', () => {
  const form = { number: '4242 4242-4242 4242', month: '12', year: '30', cvc: '123' };

  it('takes digits of any keyboard, with spaces and hyphens', () => {
    expect(wrongFields(form)).toEqual([]);
    const arabic = { number: '٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢', month: '١٢', year: '٢٠٣٠', cvc: '١٢٣' };
    expect(wrongFields(arabic)).toEqual([]);
    expect(cardOf(arabic)).toEqual({
      number: '4242424242424242',
      expirationMonth: '12',
      expirationYear: '2030',
      cvc: '123',
    });
  });

  it('names what cannot be right', () => {
    expect(wrongFields({ number: '42', month: '13', year: '1', cvc: 'x' })).toEqual([
      'number',
      'month',
      'year',
      'cvc',
    ]);
  });

  it('groups the number, and leaves alone what is none', () => {
    expect(groupedNumber('42424242424')).toBe('4242 4242 424');
    expect(groupedNumber('')).toBe('');
    expect(groupedNumber('pm_card')).toBe('pm_card');
  });

  it('offers test cards only', () => {
    expect(OFFERED_CARDS.every(({ number }) => isTestCard(number))).toBe(true);
    expect(isTestCard('5100000000000000')).toBe(false);
  });
});

it('does not tell who holds a lost or stolen card', () => {
  expect(['lost_card', 'stolen_card', 'fraudulent', undefined, 'constructor'].map(declineKeyOf)).toEqual(
    Array(5).fill('generic'),
  );
  expect(declineKeyOf('insufficient_funds')).toBe('insufficient_funds');
});

it('counts minor units as the currency does', () => {
  expect(majorOf(15_050, 'usd')).toBe(150.5);
  expect(majorOf(150, 'jpy')).toBe(150);
  expect(minorOf(150.5, 'USD')).toBe(15_050);
  expect(minorOf(1.234, 'kwd')).toBe(1_234);
});
