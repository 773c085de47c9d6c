/** What the shop recommends, and what it is told of views, put together. */
import type { Route } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { ownReservations } from '../http/own-reservations.js';
import type { ReadModel } from '../http/read-model.js';
import { rankerOf } from '../analytics/model/artefact.js';
import { Models } from '../analytics/model/models.js';
import { Histories } from '../analytics/recommender/histories.js';
import { Recommender } from '../analytics/recommender/recommender.js';
import { recommendationsRoute } from '../analytics/recommender/routes.js';
import { ServedModel } from '../analytics/recommender/served-model.js';
import { viewsRoute } from '../analytics/view-routes.js';
import type { ViewIntake } from '../analytics/views.js';
import { countryOf } from '../geo/country.js';
import { AccountIndex } from '../redis/account-index.js';
import type { Core } from './core.js';

export interface RecommendationsDeps {
  readonly core: Core;
  readonly model: ReadModel;
  readonly intake: ViewIntake;
  readonly closesAtKickoff: boolean;
  /** How long each read of what a person holds may take. */
  readonly waitMs: number;
}

export interface Recommendations {
  readonly routes: readonly Route[];
  start(): void;
  stop(): Promise<void>;
}

/** Newest reservations of an account that are looked at. */
const RESERVATIONS_MAX = 100;

export function makeRecommendations(deps: RecommendationsDeps): Recommendations {
  const { core, model, intake, closesAtKickoff, waitMs } = deps;
  const { archive, clock, keys, logger, reader, redis } = core;
  const accountIndex = new AccountIndex(redis, keys, clock);
  const own = { archived: archive, accountIndex, reader, clock, waitMs };
  const histories = new Histories({
    reservations: async (principal) =>
      (await ownReservations(own, principal, { limit: RESERVATIONS_MAX })).items,
    newest: async (account) =>
      (await bounded(clock, waitMs, 'account index', accountIndex.newest(account, 1)))[0],
    clock,
  });
  const served = new ServedModel({ models: new Models(archive), rankerOf, clock, logger });
  const recommender = new Recommender({
    matches: model,
    model: served,
    histories,
    countryOf,
    clock,
    closesAtKickoff,
  });
  return {
    routes: [
      recommendationsRoute(recommender),
      viewsRoute({ intake, matches: model, countryOf, clock, waitMs }),
    ],
    start: () => served.start(),
    stop: () => served.stop(),
  };
}
