/** The waiting room, put together for the processes that have something to do with it. */
import { randomUUID } from 'node:crypto';
import type { Settings } from '../../config/settings.js';
import type { Route } from '../http/api.js';
import type { Buyers } from '../http/buyer.js';
import type { Metrics } from '../http/metrics.js';
import type { CommandGateway } from '../http/ports.js';
import { WaitingRoomStore } from '../redis/waiting-room-store.js';
import { roomGate, type RoomGate } from '../waiting-room/gate.js';
import { RoomKeeper } from '../waiting-room/keeper.js';
import { HoldMeter } from '../waiting-room/meter.js';
import { roomOperatorRoutes } from '../waiting-room/operator-routes.js';
import { RoomRecords } from '../waiting-room/records.js';
import { waitingOf, WaitingRoom } from '../waiting-room/room.js';
import { waitingRoomRoutes } from '../waiting-room/routes.js';
import { allowedPerMinute } from '../waiting-room/pace.js';
import { perMinuteMaxOf, type RoomPolicy } from '../waiting-room/state.js';
import { RoomTokens } from '../waiting-room/tokens.js';
import type { Core } from './core.js';
import type { Trust } from './trust.js';

export interface WaitingRoomDeps {
  readonly settings: Settings;
  readonly core: Core;
  readonly trust: Trust;
  readonly metrics: Metrics;
}

export interface WaitingRoomRole {
  readonly gate: RoomGate;
  /** For the service that answers holds. */
  routes(buyers: Buyers): readonly Route[];
  /** For the service of operators. */
  readonly operatorRoutes: readonly Route[];
  /** The same gateway, with its holds measured: the pace follows them. */
  measured(gateway: CommandGateway): CommandGateway;
  /** How much of all holds is refused before it comes to the gateway: 0 to 1. */
  shed(share: number): void;
  /** Moves the room on, where holds are answered. Resolves when it is known how it stands. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function makeWaitingRoom({ settings, core, trust, metrics }: WaitingRoomDeps): WaitingRoomRole {
  const { archive, catalog, clock, gateway, keys, logger, redis } = core;
  const { replyWaitMs: waitMs } = settings;
  const { access, audit, requireOperator } = trust;
  const policy = policyOf(settings);
  const store = new WaitingRoomStore(redis, keys);
  const records = new RoomRecords(archive);
  const tokens = new RoomTokens(access.sealer);
  const room = new WaitingRoom({ store, records, tokens, policy, clock, logger, waitMs });
  const meter = new HoldMeter({
    clock,
    waiting: () => gateway.waiting,
    waitingMax: settings.commandsWaitingMax,
  });
  const deps = {
    store,
    records,
    policy,
    clock,
    logger,
    id: randomUUID(),
    counters: () => core.store.counters(catalog.tickets),
  };
  const keeper = new RoomKeeper({
    ...deps,
    meter,
    onView: (seen) => {
      room.onView(seen);
      const { isOn, admitted, pace } = seen.state;
      metrics.roomWaiting.set(waitingOf(seen));
      metrics.roomAdmitted.set(isOn ? admitted : 0);
      metrics.roomInside.set(seen.inside);
      metrics.roomPerMinute.set(isOn ? allowedPerMinute(pace, perMinuteMaxOf(seen.state, policy)) : 0);
    },
  });
  // Where no holds are answered nothing is measured, and nobody asks how the room stands but operators.
  const desk = new RoomKeeper({ ...deps, onView: () => undefined });
  return {
    gate: roomGate(room),
    routes: (buyers) => waitingRoomRoutes({ room, buyers }),
    operatorRoutes: roomOperatorRoutes({ keeper: desk, requireOperator, audit, clock, waitMs }),
    measured: (plain) => meter.over(plain),
    shed: (share) => meter.shed(share),
    async start() {
      await keeper.look();
      keeper.start();
    },
    stop: async () => {
      await Promise.all([keeper.stop(), desk.stop()]);
    },
  };
}

const policyOf = (settings: Settings): RoomPolicy => ({
  passMs: settings.roomPassMs,
  graceMs: settings.roomGraceMs,
  insideMax: settings.roomInsideMax,
  latencyMsTarget: settings.roomLatencyMs,
  perMinuteStart: settings.roomPerMinuteStart,
  perMinuteMax: settings.roomPerMinuteMax,
  placesMax: settings.roomPlacesMax,
});
