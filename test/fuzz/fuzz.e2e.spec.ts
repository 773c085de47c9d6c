/** Some hundred hostile inputs for a whole marketplace; `npm run fuzz` sends 100,000. The same ones in every run. */
import { describe, expect, it, jest } from '@jest/globals';
import { PROPERTY_SEED } from '../helpers/seed.js';
import { crowd } from './crowd.js';
import { blank } from './inputs.js';
import { logFaults, violationsOf } from './rules.js';
import { fuzzServices } from './services.js';

/** Two starts of a marketplace on a busy machine. */
jest.setTimeout(180_000);

const INPUTS = 700;
const quiet = (): void => undefined;

describe('hostile input', () => {
  it('is answered by the rules, and the marketplace still sells and adds up', async () => {
    const options = { seed: PROPERTY_SEED, from: 0, to: INPUTS, isChecked: false, log: quiet };
    const report = await fuzzServices(options);
    expect(report.failures).toEqual([]);
    expect(report.faults).toEqual([]);
    expect(report.sent).toBe(INPUTS);
    // Inputs get behind the doors: not all of them are refused there.
    expect(report.operations - report.unreached.length).toBeGreaterThan(report.operations / 4);
  });

  it('hundreds of idle connections keep nobody from being served, and give back what they took', async () => {
    const { opened, faults } = await crowd({ idle: 300, slow: 0, log: quiet });
    expect(opened).toBe(300);
    expect(faults).toEqual([]);
  });
});

describe('the rules', () => {
  const plain = blank(1, 'shop', 'GET', '/api/v1/matches');
  const answer = (status: number, headers: Record<string, string>, body: string) =>
    violationsOf(plain, {
      kind: 'answered',
      answer: { status, headers, body: Buffer.from(body), tookMs: 1 },
    });
  const problem = { 'content-type': 'application/problem+json' };
  const body = (code: string, status: number, detail = ''): string =>
    JSON.stringify({ code, status, detail });

  it.each([
    ['an unexpected error', 500, problem, body('internal_error', 500)],
    ['503 of another code', 503, problem, body('not_ready', 503)],
    ['overloaded without Retry-After', 503, problem, body('overloaded', 503)],
    ['an error in HTML', 404, { 'content-type': 'text/html' }, '<p>'],
    ['an unknown code', 404, problem, body('gone_fishing', 404)],
    ['another status inside', 404, problem, body('not_found', 400)],
    [
      'a stack trace',
      400,
      problem,
      body('malformed_request', 400, 'Error\n    at Layer.handle (/srv/a.js:1:2)'),
    ],
    ['what it is made with', 200, { 'x-powered-by': 'Express' }, ''],
  ])('see %s', (_what, status, headers, text) => {
    expect(answer(status, headers as Record<string, string>, text)).not.toEqual([]);
  });

  it('see a connection that ends, an answer that does not come, and a line that is no log', () => {
    expect(violationsOf(plain, { kind: 'closed', received: Buffer.alloc(0), isReset: false })).not.toEqual(
      [],
    );
    expect(violationsOf(plain, { kind: 'late' })).not.toEqual([]);
    expect(logFaults('Ctrl-C stops it\nboo\n{"level":50}\n{"level":40}\n')).toEqual(['boo', '{"level":50}']);
  });

  it('let pass what is documented', () => {
    expect(answer(404, problem, body('not_found', 404))).toEqual([]);
    expect(answer(503, { ...problem, 'retry-after': '2' }, body('overloaded', 503))).toEqual([]);
  });
});
