import { describe, expect, it } from '@jest/globals';
import { losesPlaces, roomOrderFrom, type RoomForm, type RoomStanding } from '../../src/operator/room/data';

const NOW = Date.parse('2022-11-01T12:00:00Z');
const at = { timeZone: 'Asia/Qatar', now: NOW };
const FORM: RoomForm = { mode: 'on', opensLocal: '', perMinuteMax: '' };

describe('the form of the waiting room', () => {
  it('says what is set, and leaves out what is as it was set up', () => {
    expect(roomOrderFrom(FORM, at)).toEqual({ order: { mode: 'on' } });
    const whole = { mode: 'on', opensLocal: '2022-11-01T16:00', perMinuteMax: ' 600 ' } as const;
    expect(roomOrderFrom(whole, at)).toEqual({
      order: { mode: 'on', opensAt: '2022-11-01T13:00:00.000Z', perMinuteMax: 600 },
    });
    expect(roomOrderFrom({ ...FORM, perMinuteMax: '0' }, at)).toEqual({
      order: { mode: 'on', perMinuteMax: 0 },
    });
  });

  it('has no opening of a room that is off', () => {
    const opensLocal = '2022-11-01T16:00';
    expect(roomOrderFrom({ ...FORM, mode: 'auto', opensLocal }, at)).toMatchObject({
      order: { mode: 'auto', opensAt: '2022-11-01T13:00:00.000Z' },
    });
    expect(roomOrderFrom({ ...FORM, mode: 'off', opensLocal }, at)).toEqual({ order: { mode: 'off' } });
  });

  it('says what is wrong', () => {
    expect(roomOrderFrom({ ...FORM, opensLocal: '2022-11-01T15:00' }, at)).toEqual({ faults: ['past'] });
    expect(roomOrderFrom({ ...FORM, opensLocal: 'noon' }, at)).toEqual({ faults: ['opens'] });
    for (const perMinuteMax of ['-1', '1.5', 'many', '1000001']) {
      expect(roomOrderFrom({ ...FORM, perMinuteMax }, at)).toEqual({ faults: ['per_minute'] });
    }
  });

  it('warns of what costs people their places', () => {
    const open: RoomStanding = {
      mode: 'on',
      state: 'open',
      perMinute: 60,
      perMinuteMax: null,
      waiting: 5,
      admitted: 10,
      inside: 2,
      why: '',
    };
    const ahead = { mode: 'on', opensAt: '2022-11-01T13:00:00.000Z' } as const;
    expect(losesPlaces(open, ahead)).toBe(true);
    expect(losesPlaces(open, { mode: 'off' })).toBe(true);
    expect(losesPlaces(open, { mode: 'on', perMinuteMax: 5 })).toBe(false);
    expect(losesPlaces({ ...open, waiting: 0 }, ahead)).toBe(false);
    expect(losesPlaces({ ...open, state: 'before' }, ahead)).toBe(false);
  });
});
