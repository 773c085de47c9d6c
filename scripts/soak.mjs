/** `npm run soak`: two marketplaces and misbehaving peers on one broker for 10 minutes, then everything compared. */
process.env.EXCHANGE_SECONDS ??= '600';
process.argv.push('--selectProjects', 'e2e', '--testPathPatterns', 'e2e/exchange', '-t', 'misbehaving');
await import('./jest.mjs');
