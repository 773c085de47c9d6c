/** Carries a schedule out. One fault at a time for each target; each ends, whatever the run comes to. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Unit } from '../helpers/unit.js';
import type { Fleet } from './fleet.js';
import { KINDS, type KindName, type PlannedFault } from './schedule.js';

/** A Redis that does not answer is not asked who owns what for longer than this. */
const ASK_MS_MAX = 500;

export interface InjectedFault {
  readonly number: number;
  readonly kind: KindName;
  readonly name: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** When the fault was over: it wakes up, the way is as before, or it is open again. */
  readonly endedAt: number;
  /** Tickets that the worker owned. */
  readonly owned?: readonly string[];
  /** Of Redis, when its power failed. */
  readonly lostBytes?: number;
}

export class Injector {
  readonly injected: InjectedFault[] = [];
  readonly #fleet: Fleet;
  readonly #tickets: readonly string[];
  readonly #log: (line: string) => void;
  /** The end of the last fault of each target. */
  readonly #busy = new Map<string, Promise<void>>();

  constructor(fleet: Fleet, tickets: readonly string[], log: (line: string) => void) {
    this.#fleet = fleet;
    this.#tickets = tickets;
    this.#log = log;
  }

  /** Resolves when all of them are over. */
  async run(schedule: readonly PlannedFault[]): Promise<void> {
    const begin = Date.now();
    await Promise.all(
      schedule.map(async (fault) => {
        await sleep(Math.max(0, begin + fault.atMs - Date.now()));
        const { target } = KINDS[fault.kind];
        const name = `${target} ${fault.instance + 1}`;
        const before = this.#busy.get(name) ?? Promise.resolve();
        const work = before.then(() => this.#inject(fault, name));
        this.#busy.set(name, work);
        await work;
      }),
    );
  }

  async #inject(fault: PlannedFault, name: string): Promise<void> {
    const { number, kind, instance, forMs, delayMs } = fault;
    const { target, act } = KINDS[kind];
    const owned = target === 'worker' ? await this.#ownedBy(instance) : undefined;
    const startedAt = Date.now();
    const proxy =
      target === 'redis' || target === 'kafka' || target === 'mongo' ? this.#fleet.proxies[target] : null;
    let lostBytes: number | undefined;
    if (act === 'cut' || act === 'slow') {
      if (act === 'cut') await proxy?.cut();
      else proxy?.slow(delayMs);
      await sleep(forMs);
      proxy?.clear();
    } else {
      const server = this.#fleet.controls(target, instance);
      if (act === 'pause') {
        server.pause();
        await sleep(forMs);
        server.resume();
      } else {
        if (act === 'power') lostBytes = await this.#fleet.redis.losePower();
        else await server.kill();
        await sleep(forMs);
        await (server instanceof Unit ? server.start() : server.restart());
      }
    }
    const endedAt = Date.now();
    this.injected.push({
      ...{ number, kind, name, startedAt, endedAt },
      ...(owned && { owned }),
      ...(lostBytes !== undefined && { lostBytes }),
    });
    this.#log(
      `fault ${number}: ${kind} of ${name}, ${((endedAt - startedAt) / 1_000).toFixed(1)} s` +
        (lostBytes === undefined ? '' : `, ${lostBytes} bytes lost`),
    );
  }

  /** Tickets whose owner is this worker; none when Redis does not say so in time. */
  async #ownedBy(instance: number): Promise<string[]> {
    const pid = this.#fleet.units.worker[instance]?.pid;
    const redis = new Redis(this.#fleet.redis.url, { retryStrategy: () => null, lazyConnect: true });
    redis.on('error', () => undefined);
    const ask = async (): Promise<string[]> => {
      await redis.connect();
      const owners = await Promise.all(
        this.#tickets.map((ticket) => {
          const [matchNumber, category] = ticket.split(':');
          return redis.hget(`${this.#fleet.prefix}:{m${matchNumber}}:c${category}:meta`, 'owner');
        }),
      );
      return this.#tickets.filter((_, i) => owners[i]?.includes(`-${pid}-`));
    };
    try {
      return await Promise.race([ask(), sleep(ASK_MS_MAX, [])]);
    } catch {
      return [];
    } finally {
      redis.disconnect();
    }
  }
}
