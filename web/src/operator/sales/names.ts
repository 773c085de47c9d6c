/** How a series of sales is called. */
import { useMatches } from '../../live/matches';
import { useOperatorText } from '../../i18n/operator';
import { LANGUAGES } from '../../i18n/languages';
import { useLocale } from '../../i18n/locale';
import { REST } from './series';
import type { Split } from './types';

export interface Named {
  readonly key: string;
  readonly label?: string;
  readonly isOwn?: true;
}

const UNKNOWN_COUNTRY = 'ZZ';

export function useSeriesName(by: Split): (series: Named) => string {
  const t = useOperatorText('sales');
  const { code } = useLocale();
  const matchName = useMatchName();
  return ({ key, label, isOwn }) => {
    if (key === REST) return t('others');
    switch (by) {
      case 'none':
        return t('all');
      case 'match':
        return matchName(Number(key));
      case 'category':
        return t('category', { category: key });
      case 'country':
        return key === UNKNOWN_COUNTRY ? t('unknownCountry') : countryName(LANGUAGES[code].locale, key);
      case 'marketplace':
        return isOwn === true ? t('own', { name: label ?? key }) : (label ?? key);
    }
  };
}

function countryName(locale: string, code: string): string {
  try {
    return new Intl.DisplayNames(locale, { type: 'region' }).of(code) ?? code;
  } catch {
    // No region code at all.
    return code;
  }
}

/** `12 · Qatar – Ecuador`; the number alone until the matches are known. */
export function useMatchName(): (matchNumber: number) => string {
  const t = useOperatorText('shell');
  const { nameOf } = useLocale();
  const { matches } = useMatches();
  return (matchNumber) => {
    const match = matches?.find((one) => one.matchNumber === matchNumber);
    const number = String(matchNumber);
    if (!match) return t('matchNumber', { number });
    return t('matchName', { number, home: nameOf(match.homeTeam), away: nameOf(match.awayTeam) });
  };
}
