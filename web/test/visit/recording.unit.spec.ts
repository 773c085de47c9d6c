/** Consent, what is sent with it, and what never is. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { memoryStorage, type KeyValues } from '../../src/api/storage';
import { Consent, randomId } from '../../src/visit/consent';
import { EVENTS_MAX, GATHER_MS, Recorder } from '../../src/visit/recorder';
import { TasteStore } from '../../src/visit/taste';

let storage: KeyValues;
let consent: Consent;
let saysNo: boolean;
let made: number;
beforeEach(() => {
  storage = memoryStorage();
  [saysNo, made] = [false, 0];
  consent = new Consent({ storage, newId: () => `id-${++made}`, saysNo: () => saysNo });
});

describe('consent', () => {
  it('is nobody’s until it is given, and makes no id before', () => {
    expect([consent.answer, consent.visitor(), made]).toEqual(['unasked', null, 0]);
    consent.decide('no');
    expect([consent.answer, consent.visitor(), made]).toEqual(['no', null, 0]);
  });

  it('keeps its id until it is withdrawn, and has another one then', () => {
    consent.decide('yes');
    expect([consent.visitor(), consent.visitor()]).toEqual(['id-1', 'id-1']);
    consent.decide('no');
    expect(consent.visitor()).toBeNull();
    expect(storage.get('ticktak.visitor')).toBeNull();
    consent.decide('yes');
    expect(consent.visitor()).toBe('id-2');
  });

  it('is refused by a browser that says so, unless its visitor agrees', () => {
    saysNo = true;
    expect(consent.answer).toBe('no');
    consent.decide('yes');
    expect(consent.answer).toBe('yes');
  });

  it('tells whoever listens', () => {
    let heard = 0;
    const stop = consent.subscribe(() => (heard += 1));
    consent.decide('yes');
    stop();
    consent.decide('no');
    expect(heard).toBe(1);
  });

  it('has ids that are UUIDs by chance', () => {
    const ids = Array.from({ length: 50 }, randomId);
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(50);
  });
});

describe('the recorder', () => {
  let sent: { visitor: string; country?: string; consent: boolean; events: unknown[] }[];
  let due: { ms: number; task: () => void }[];
  let country: string | undefined;
  let recorder: Recorder;
  beforeEach(() => {
    [sent, due, country] = [[], [], undefined];
    recorder = new Recorder({
      visitor: () => consent.visitor(),
      country: () => country,
      newId: () => 'event',
      post: (body) => sent.push(JSON.parse(body) as (typeof sent)[number]),
      schedule: (ms, task) => {
        const timer = { ms, task };
        due.push(timer);
        return () => (due = due.filter((one) => one !== timer));
      },
    });
  });

  it('sends together what happens within a while', () => {
    consent.decide('yes');
    recorder.add({ kind: 'view', matchNumber: 1 });
    recorder.add({ kind: 'search', terms: ['Qatar'], results: 3 });
    expect([sent, due.map(({ ms }) => ms)]).toEqual([[], [GATHER_MS]]);
    due[0]?.task();
    expect(sent).toEqual([
      {
        consent: true,
        visitor: 'id-1',
        events: [
          { kind: 'view', matchNumber: 1, id: 'event' },
          { kind: 'search', terms: ['Qatar'], results: 3, id: 'event' },
        ],
      },
    ]);
    recorder.flush();
    expect(sent).toHaveLength(1);
  });

  it('sends no more than a limit at once', () => {
    consent.decide('yes');
    for (let number = 1; number <= EVENTS_MAX + 1; number += 1)
      recorder.add({ kind: 'view', matchNumber: number });
    expect(sent.map(({ events }) => events.length)).toEqual([EVENTS_MAX]);
  });

  it('says the country that was chosen, and no other', () => {
    consent.decide('yes');
    country = 'BR';
    recorder.add({ kind: 'view', matchNumber: 1 });
    recorder.flush();
    expect(sent[0]?.country).toBe('BR');
  });

  it('sends nothing before consent, and nothing after its withdrawal', () => {
    recorder.add({ kind: 'view', matchNumber: 1 });
    consent.decide('no');
    recorder.add({ kind: 'view', matchNumber: 1 });
    expect(due).toEqual([]);
    consent.decide('yes');
    recorder.add({ kind: 'view', matchNumber: 2 });
    consent.decide('no');
    due[0]?.task();
    consent.decide('yes');
    recorder.flush();
    expect(sent).toEqual([]);
  });
});

describe('taste', () => {
  it('is kept, and is the same object until it changes', () => {
    const store = new TasteStore(storage);
    expect(store.get()).toEqual({ teams: [] });
    store.set({ country: 'BR', teams: ['Brazil', 'Brazil', 'Ghana'] });
    expect(store.get()).toBe(store.get());
    expect(new TasteStore(storage).get()).toEqual({ country: 'BR', teams: ['Brazil', 'Ghana'] });
    store.set({ teams: [] });
    expect(storage.get('ticktak.taste')).toBeNull();
  });

  it('has no more teams than the server takes', () => {
    const store = new TasteStore(storage);
    store.set({ teams: ['a', 'b', 'c', 'd', 'e', 'f'] });
    expect(store.get().teams).toHaveLength(5);
  });

  it.each(['', 'null', '[]', '{"country":"Brazil","teams":[1,null]}', '{', '{"teams":"x"}'])(
    'is none where %j was kept',
    (text) => {
      storage.set('ticktak.taste', text);
      expect(new TasteStore(storage).get()).toEqual({ teams: [] });
    },
  );
});
