/**
 * What gives programs away that pose as buyers. Programs that say what they are (curl, fetch, API clients) are
 * welcome: a score comes from contradictions and from behaviour, not from being a program.
 *
 * Guarantee: nothing here denies but the marks that say so; a score only asks for a challenge.
 */
import { isbot } from 'isbot';
import { BoundedMap } from './bounded-map.js';
import type { CheckRequest } from './port.js';

interface Mark {
  readonly score: number;
  /** No buyer has it: denied whatever is asked for. */
  readonly denies?: true;
}

/** Every mark and its weight. */
export const BOT_MARKS = {
  /** A tool that looks for holes names itself. */
  attack_tool: { score: 100, denies: true },
  /** A browser without a window names itself. */
  headless: { score: 60 },
  /** A crawler: welcome to read, but it does not buy. */
  crawler: { score: 50 },
  /** Every HTTP library says something. */
  no_user_agent: { score: 20 },
  /** Says it is a browser, and does not send what every browser sends. */
  no_language: { score: 25 },
  no_accept: { score: 20 },
  /** Browsers send Origin with every request that changes something (Fetch standard, "append a request Origin header"). */
  no_origin: { score: 20 },
  /** Only sent to https and localhost: a browser on plain http lacks them too, so alone they mean little. */
  no_fetch_metadata: { score: 15 },
  /** Asked for a page that only break-in scripts ask for, within the hour. */
  honeypot: { score: 60 },
  /** Asks like clockwork and often. */
  cadence: { score: 60 },
  /** Tries ids that are not its own. */
  enumeration: { score: 60 },
  /** Log-ins of many persons fail from there. */
  credential_stuffing: { score: 60 },
  /** Tries codes of presales. */
  code_guessing: { score: 60 },
} as const satisfies Record<string, Mark>;
export type BotMark = keyof typeof BOT_MARKS;

/** From this score on a challenge is asked for. */
export const CHALLENGE_SCORE_MIN = 50;

export const scoreOf = (marks: readonly BotMark[]): number =>
  marks.reduce((score, mark) => score + BOT_MARKS[mark].score, 0);

export const denies = (marks: readonly BotMark[]): boolean =>
  marks.some((mark) => {
    const known: Mark = BOT_MARKS[mark];
    return known.denies === true;
  });

const ATTACK_TOOL =
  /\b(sqlmap|nikto|nmap|masscan|zgrab|nuclei|dirbuster|gobuster|feroxbuster|wpscan|acunetix|nessus|wfuzz|ffuf|hydra)\b/i;
const HEADLESS =
  /headless|phantomjs|slimerjs|puppeteer|playwright|selenium|webdriver|electron-fetch|cypress|splash/i;
/** A program that names itself is no crawler unless it says so: the documentation's own examples are programs. */
const CRAWLER = /bot|crawl|spider|slurp|scrap|archiver/i;
const BROWSER = /^Mozilla\/5\.0\b/;

interface Agent {
  readonly marks: readonly BotMark[];
  readonly isBrowser: boolean;
}

/** Matching thousands of patterns once per user agent is enough. */
const AGENTS_MAX = 1_000;

export class Bots {
  readonly #agents = new BoundedMap<string, Agent>(AGENTS_MAX);

  /** Marks of its user agent alone: cheap enough for every request. */
  agentMarks(userAgent: string | undefined): readonly BotMark[] {
    return this.#agent(userAgent).marks;
  }

  /** All that the request itself shows. */
  marks({ signals, method }: Pick<CheckRequest, 'signals' | 'method'>): readonly BotMark[] {
    const { marks, isBrowser } = this.#agent(signals['user-agent']);
    const hints = HEADLESS.test(signals['sec-ch-ua'] ?? '') && !marks.includes('headless');
    return [
      ...marks,
      ...(hints ? (['headless'] as const) : []),
      ...(isBrowser ? missingSignals(signals, method) : []),
    ];
  }

  #agent(userAgent = ''): Agent {
    const known = this.#agents.get(userAgent);
    if (known) return known;
    const agent = { marks: marksOfAgent(userAgent), isBrowser: BROWSER.test(userAgent) };
    this.#agents.set(userAgent, agent);
    return agent;
  }
}

function marksOfAgent(userAgent: string): readonly BotMark[] {
  if (userAgent.trim() === '') return ['no_user_agent'];
  if (ATTACK_TOOL.test(userAgent)) return ['attack_tool'];
  if (HEADLESS.test(userAgent)) return ['headless'];
  const poses = BROWSER.test(userAgent) || CRAWLER.test(userAgent);
  return poses && isbot(userAgent) ? ['crawler'] : [];
}

function missingSignals(signals: CheckRequest['signals'], method: string): BotMark[] {
  const changes = method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS';
  const missing: BotMark[] = [];
  if (signals['accept-language'] === undefined) missing.push('no_language');
  if (signals['accept'] === undefined) missing.push('no_accept');
  if (signals['sec-fetch-site'] === undefined) missing.push('no_fetch_metadata');
  if (changes && signals['origin'] === undefined) missing.push('no_origin');
  return missing;
}

/** Pages of other people's software, and files nobody publishes. Whoever asks for one looks for holes. */
const HONEYPOT =
  /^\/(wp-login\.php|wp-admin|xmlrpc\.php|wp-content|wp-includes|phpmyadmin|pma|administrator|cgi-bin|boaform|actuator|vendor\/phpunit|solr\/admin|manager\/html|owa\/auth|server-status|telescope|_ignition)(\/|$)|\/\.(env|git|svn|hg|aws|ssh|htpasswd|htaccess|ds_store)([./]|$)|\.(php|aspx?|jsp|cgi)$|\/(etc\/passwd|id_rsa|backup\.sql|dump\.sql|database\.sql)$/i;

export const isHoneypot = (path: string): boolean => HONEYPOT.test(path);

/** Times kept per name, names kept, and what counts as clockwork. */
const CADENCE = {
  times: 20,
  namesMax: 20_000,
  /** Slower than that harms nobody. */
  meanMsMax: 2_000,
  /** Standard deviation over mean of the pauses: people have about 1, scripts with fixed pauses under 0.1. */
  variationMax: 0.1,
  /** Pauses of a few milliseconds are those of a crowd or a burst, and too short to measure. */
  meanMsMin: 20,
};

/** Finds names that ask at regular, short intervals. In memory, per process. */
export class Cadence {
  readonly #times = new BoundedMap<string, number[]>(CADENCE.namesMax);

  /** Notes a request; true when the last ones came like clockwork. */
  note(name: string, now: number): boolean {
    const times = this.#times.get(name) ?? [];
    times.push(now);
    if (times.length > CADENCE.times) times.shift();
    this.#times.set(name, times);
    return times.length === CADENCE.times && isClockwork(times);
  }
}

function isClockwork(times: readonly number[]): boolean {
  const pauses = times.slice(1).map((time, index) => time - (times[index] ?? time));
  const mean = pauses.reduce((sum, pause) => sum + pause, 0) / pauses.length;
  if (mean > CADENCE.meanMsMax || mean < CADENCE.meanMsMin) return false;
  const variance = pauses.reduce((sum, pause) => sum + (pause - mean) ** 2, 0) / pauses.length;
  return Math.sqrt(variance) / mean < CADENCE.variationMax;
}
