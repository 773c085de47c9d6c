/** What a `REDIS_URL` says: one Redis, or the nodes of a Redis Cluster. */

const SHAPE = /^(rediss?:\/\/)([^/?#]*@)?([^/?#]+)([^]*)$/;

/**
 * One URL for each of its hosts, which commas separate; what stands before and behind them is said of all. Empty when
 * it is none. The URL of one host is answered as it was given.
 */
export function redisUrlsOf(text: string): readonly string[] {
  const [, scheme, user = '', hosts, rest = ''] = SHAPE.exec(text) ?? [];
  if (scheme === undefined || hosts === undefined) return [];
  if (!hosts.includes(',')) return URL.canParse(text) ? [text] : [];
  // A cluster has one database, and nothing that could be said of it in a query.
  if (!['', '/', '/0'].includes(rest)) return [];
  const urls = hosts.split(',').map((host) => `${scheme}${user}${host.trim()}`);
  return urls.every(isOfHost) ? urls : [];
}

const isOfHost = (url: string): boolean => URL.canParse(url) && new URL(url).hostname !== '';
