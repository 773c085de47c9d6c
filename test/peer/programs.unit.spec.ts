/** What `npm run peer` and `npm run masterlist` make of their command line and files. */
import { describe, expect, it } from '@jest/globals';
import { bundledMasterList } from '../../src/catalog/bundled.js';
import { decodeMasterList, VALUE_BYTES_MAX } from '../../src/kafka/wire.js';
import { summaryLine } from '../../src/peer/main.js';
import { listRecords, readList, RECORD_BYTES_MAX, reportLines } from '../../src/peer/masterlist.js';
import { peerHelp, readArguments, wantsHelp } from '../../src/peer/options.js';
import { Failure, marketSettings, VARIABLES } from '../../src/peer/program.js';
import { list } from './market.js';

function failureOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof Failure) return error.message;
    throw error;
  }
  return '';
}

describe('the options of a peer', () => {
  it('have defaults: a well-behaved peer with a name and a seed of its own', () => {
    const [one, other] = [readArguments([]), readArguments([])];
    expect(one).toMatchObject({
      rate: 0.5,
      ids: 'full',
      quantityMin: 1,
      quantityMax: 2,
      repeats: 0,
      garbage: 0,
    });
    expect(one.clientId).toMatch(/^peer-\d{4}$/);
    expect(one.seed).not.toBe(other.seed);
    expect(one).not.toHaveProperty('matches');
  });

  it('are read', () => {
    const argv =
      '--client-id me --seed 7 --rate 0.25 --patience-ms 500 --ids none --quantity 1-4 --cancel-share 0.5 ' +
      '--matches 1,3-5 --repeats 0.1 --reorders 0.2 --garbage=0.3 --silence 1';
    expect(readArguments(argv.split(' '))).toEqual({
      clientId: 'me',
      seed: 7,
      rate: 0.25,
      patienceMs: 500,
      ids: 'none',
      quantityMin: 1,
      quantityMax: 4,
      cancelShare: 0.5,
      matches: new Set([1, 3, 4, 5]),
      repeats: 0.1,
      reorders: 0.2,
      garbage: 0.3,
      silence: 1,
    });
    expect(readArguments(['--matches', 'all', '--quantity', '2'])).toMatchObject({
      quantityMin: 2,
      quantityMax: 2,
    });
  });

  it('are refused with a line for each problem', () => {
    const argv = '--rate 0 --ids some --quantity 3-1 --matches 1,x --garbage 1.1 --seed=-1 --client-id'.split(
      ' ',
    );
    const message = failureOf(() => readArguments([...argv, 'a b']));
    expect(message.split('\n')).toHaveLength(7);
    expect(message).toContain('--rate "0" is not allowed: it must be a number from 0.001 to 500.');
    expect(failureOf(() => readArguments(['--seed', '-1']))).toBe(
      "Option '--seed' argument is ambiguous: npm run peer -- --help names the options.",
    );
    expect(failureOf(() => readArguments(['--loud']))).toContain('npm run peer -- --help');
    expect(failureOf(() => readArguments(['7']))).toContain('npm run peer -- --help');
    expect(failureOf(() => readArguments(['--rate']))).toContain('npm run peer -- --help');
  });

  it('are all in the help, with the variables that count', () => {
    expect(wantsHelp(['--help'])).toBe(true);
    for (const name of Object.keys(readArguments([]))) {
      const flag =
        { quantityMin: 'quantity', quantityMax: 'quantity', patienceMs: 'patience-ms' }[name] ?? name;
      expect(peerHelp()).toContain(`--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
    }
    expect(peerHelp()).toContain('KAFKA_BROKERS');
  });

  it('leave out of a line what never happened', () => {
    const none = { repeats: 0, garbage: 0, reordered: 0, silent: 0, failures: 0, waiting: 0 };
    const counts = { sales: 3, pending: 3, reserved: 1, cancelled: 1, open: 1, heard: 9, left: 100 };
    expect(summaryLine({ ...none, ...counts, hasList: true })).toBe(
      '3 sales: 3 pending, 1 reserved, 1 cancelled, 1 open | 9 messages read, 100 tickets left',
    );
    expect(summaryLine({ ...none, ...counts, garbage: 2, hasList: true })).toContain('1 open, 2 garbage |');
    expect(summaryLine({ ...none, ...counts, hasList: false })).toContain('npm run masterlist');
  });
});

describe('the settings of both', () => {
  const WITHOUT = 'npm start -- --peers 2 does without';

  it('are those of the marketplace as far as they are about Kafka', () => {
    const env = {
      KAFKA_BROKERS: 'a:9092',
      KAFKA_TLS: 'true',
      ENVIRONMENT: 'prod',
      SALES_TOPIC_PREFIX: 'sales',
      // Of the marketplace alone.
      CLIENT_ID: 'ticktak',
      KAFKA_GROUP_ID: 'ticktak-group',
      PORT: 'none',
      HOLD_MS: '1',
      PEERS: '2',
    };
    expect(marketSettings(env, 'peer-1', WITHOUT)).toMatchObject({
      kafkaBrokers: 'a:9092',
      kafkaTls: true,
      clientId: 'peer-1',
      kafkaGroupId: undefined,
      salesTopic: 'sales-prod',
      masterlistTopic: 'fifa-world-cup-2022-masterlist-prod',
    });
    expect(VARIABLES.map(({ env: name }) => name)).not.toContain('KAFKA_GROUP_ID');
  });

  it('need brokers, and a name that is not ours', () => {
    expect(failureOf(() => marketSettings({ KAFKA_BROKERS: ' ' }, 'peer-1', WITHOUT))).toBe(WITHOUT);
    const env = { KAFKA_BROKERS: 'a:9092', CLIENT_ID: 'ticktak' };
    expect(failureOf(() => marketSettings(env, 'ticktak', WITHOUT))).toContain('CLIENT_ID');
    expect(() => marketSettings({ ...env, KAFKA_TLS: 'maybe' }, 'peer-1', WITHOUT)).toThrow(/^KAFKA_TLS/);
  });
});

describe('a master list', () => {
  const text = (entries: unknown): string => JSON.stringify(entries);

  it('is one match or several; keys that nobody knows are left out', () => {
    const [entry] = list(1, 5);
    expect(readList(text(entry), 'file')).toEqual([entry]);
    expect(readList(text([{ ...entry, mascot: 'La’eeb' }]), 'file')).toEqual([entry]);
    expect(readList(text(bundledMasterList()), 'file')).toHaveLength(64);
  });

  it('is refused whole, with where it is wrong', () => {
    const [entry] = list(1, 5);
    const none = { ...entry, matchNumber: 0 };
    expect(failureOf(() => readList('{', 'list.json'))).toMatch(/^list\.json is not JSON/);
    expect(failureOf(() => readList(text([entry, none]), 'list.json'))).toContain('  1.matchNumber: ');
    expect(failureOf(() => readList(text([entry, entry]), 'list.json'))).toContain('more than once: 1.');
    expect(failureOf(() => readList('[]', 'list.json'))).toContain('is not a master list');
    const many = failureOf(() => readList(text(Array.from({ length: 50 }, () => none)), 'list.json'));
    expect(many).toContain('... and 30 more');
  });

  it('is reported on as strict marketplaces see it', () => {
    const [entry] = list(1, 5);
    if (!entry) throw new Error('no entry');
    const { availability } = entry;
    const dear = { ...entry, availability: { ...availability, category1: { available: 5, price: 80 } } };
    expect(reportLines([entry]).join()).toContain('strict marketplaces can sell all of it');
    expect(reportLines([dear]).join()).toContain('price 80 is not one of 75, 125, 195');
  });

  it('is one record, or one of each match; either is read as the same list', () => {
    const entries = bundledMasterList();
    const [whole, ...more] = listRecords(entries, 'topic', false);
    expect(more).toEqual([]);
    expect(decodeMasterList({ value: Buffer.from(whole?.value ?? '') })).toEqual({
      kind: 'masterList',
      entries,
    });
    const single = listRecords(entries, 'topic', true);
    expect(single.map(({ key }) => key)).toEqual(entries.map(({ matchNumber }) => String(matchNumber)));
    const read = single.map(({ value }) => decodeMasterList({ value: Buffer.from(value) }));
    expect(read).toEqual(entries.map((entry) => ({ kind: 'masterList', entries: [entry] })));
  });

  it('that is too large for one record is refused with the way out', () => {
    const entries = list(5_000, 1);
    expect(RECORD_BYTES_MAX).toBeLessThan(VALUE_BYTES_MAX);
    expect(failureOf(() => listRecords(entries, 'topic', false))).toContain('--one-by-one');
    expect(listRecords(entries, 'topic', true)).toHaveLength(5_000);
  });
});
