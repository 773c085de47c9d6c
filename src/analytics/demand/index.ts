/**
 * When the categories of each match sell out, and what other marketplaces oversubscribe. This folder guarantees that a
 * forecast is told with its interval and never later than kick-off, that what cannot be forecast has a name instead of
 * a number, and that nothing is kept: it reads what the sales projection has counted and what the actors have now.
 */
import type { Route } from '../../http/api.js';
import { DemandView, type DemandOptions } from './demand.js';
import { demandRoutes, type DemandRoutesOptions } from './routes.js';

export function makeDemand(options: DemandOptions & Omit<DemandRoutesOptions, 'view'>): readonly Route[] {
  return demandRoutes({ ...options, view: new DemandView(options) });
}
