import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import { api } from '../../api';
import { CATEGORIES, type Recommendation } from '../../api/types';
import { lowestPrice, standingIn } from '../../data/availability';
import { useLocale, useText } from '../../i18n/locale';
import { Team } from '../../ui/match-parts';
import { Badge, Card } from '../../ui/panels';
import { DEFAULT_CURRENCY, Intlized } from '../../ui/time';

const SHOWN = 6;

/** Asked for only when it is scrolled to. Without an answer the page does without. */
export function Recommendations(): ReactNode {
  const t = useText('matches');
  const { format } = useLocale();
  const place = useRef<HTMLElement>(null);
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    if (!place.current) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setNear(true);
      },
      { rootMargin: '300px' },
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  const { data } = useQuery({
    queryKey: ['recommendations'],
    enabled: isNear,
    staleTime: 60_000,
    queryFn: ({ signal }) =>
      api.send<{ recommendations: Recommendation[] }>({
        path: '/recommendations',
        query: { limit: SHOWN },
        auth: 'none',
        signal,
      }),
  });
  const found = data?.recommendations ?? [];
  return (
    <aside ref={place} className="recommended" aria-label={t('recommended')}>
      {found.length > 0 && (
        <>
          <h2>{t('recommended')}</h2>
          <p className="soft">{t('recommendedBody')}</p>
          <ul className="recommended-list">
            {found.map(({ match }) => (
              <li key={match.matchNumber}>
                <Card className="recommended-card">
                  <Link to={`/matches/${match.matchNumber}`} className="match-link match-teams">
                    <Team name={match.homeTeam} />
                    <span className="visually-hidden"> – </span>
                    <Team name={match.awayTeam} />
                  </Link>
                  <p className="row">
                    <Intlized className="soft">
                      {t('from', {
                        price: format.money(lowestPrice(match), match.currency ?? DEFAULT_CURRENCY),
                      })}
                    </Intlized>
                    {CATEGORIES.some((category) => standingIn(match, category) === 'few') && (
                      <Badge tone="warn">{t('fewLeft')}</Badge>
                    )}
                  </p>
                </Card>
              </li>
            ))}
          </ul>
        </>
      )}
    </aside>
  );
}
