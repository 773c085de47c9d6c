/** A shop and a browser for one suite, and who visits it. Guarantee: no visitor leaves an error behind unnoticed. */
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { launch, openShop, visit, type Shop, type Size, type Visitor } from './browser.js';

export interface Visits {
  readonly shop: Shop;
  readonly browser: Browser;
  come(size: Size, options?: Parameters<typeof visit>[2]): Promise<Visitor>;
}

/** To be called in a suite: opened before its tests, closed behind them. */
export function visitsOf(msMax: number): Visits {
  let shop: Shop;
  let browser: Browser;
  const visitors: Visitor[] = [];
  beforeAll(async () => {
    [shop, browser] = await Promise.all([openShop(), launch()]);
  }, msMax);
  afterAll(async () => {
    await browser?.close();
    await shop?.stop();
  }, msMax);
  afterEach(async () => {
    const left = visitors.splice(0);
    await Promise.all(left.map(({ context }) => context.close()));
    expect(left.flatMap(({ errors }) => errors)).toEqual([]);
  });
  return {
    get shop() {
      return shop;
    },
    get browser() {
      return browser;
    },
    async come(size, options) {
      const visitor = await visit(browser, size, options);
      visitors.push(visitor);
      return visitor;
    },
  };
}
