import { describe, expect, it } from '@jest/globals';
import { ReservationTokens } from '../src/api/reservation-tokens';
import { memoryStorage } from '../src/api/storage';
import { entryOf, listed, offersOf } from '../src/waiting-list/entries';
import type { WaitingEntry } from '../src/waiting-list/types';

const entry = (id: string, more: Partial<WaitingEntry> = {}): WaitingEntry => ({
  id,
  status: 'waiting',
  matchNumber: 1,
  category: 2,
  quantity: 2,
  position: 3,
  createdAt: `2022-11-01T12:00:0${id}Z`,
  ...more,
});
const offered = (id: string, expiresAt: string): WaitingEntry =>
  entry(id, { status: 'offered', position: null, offer: { reservationId: `r${id}`, expiresAt } });

describe('entries in waiting lists', () => {
  it('tell of a category what is active, or that an offer lapsed', () => {
    const all = [entry('1', { status: 'lapsed' }), entry('2'), entry('3', { category: 1, status: 'left' })];
    expect(entryOf(all, 1, 2)?.id).toBe('2');
    expect(entryOf(all, 1, 1)).toBeNull();
    expect(entryOf(all, 2, 2)).toBeNull();
    expect(entryOf([entry('1', { status: 'lapsed' })], 1, 2)?.status).toBe('lapsed');
    // Whoever took the tickets since has not missed anything.
    expect(entryOf([entry('1', { status: 'lapsed' }), entry('2', { status: 'taken' })], 1, 2)).toBeNull();
  });

  it('show offers whose time is not up, the most pressing one first', () => {
    const all = [
      offered('1', '2022-11-01T12:20:00Z'),
      offered('2', '2022-11-01T12:10:00Z'),
      offered('3', '2022-11-01T12:00:00Z'),
      entry('4'),
    ];
    expect(offersOf(all, Date.parse('2022-11-01T12:00:00Z')).map(({ id }) => id)).toEqual(['2', '1']);
  });

  it('are listed newest first, each once, and not what is over', () => {
    const over = [entry('2', { status: 'taken' }), entry('4', { status: 'left' })];
    const all = [entry('1'), entry('3', { status: 'lapsed' }), entry('1'), ...over];
    expect(listed(all).map(({ id }) => id)).toEqual(['3', '1']);
  });

  it('are marked apart from reservations', () => {
    const storage = memoryStorage();
    const [reservations, marks] = [new ReservationTokens(storage), new ReservationTokens(storage, 'other')];
    marks.set('e1', 'token');
    marks.set('e2', '');
    expect([marks.ids(), reservations.ids(), marks.get('e2')]).toEqual([['e2', 'e1'], [], '']);
  });
});
