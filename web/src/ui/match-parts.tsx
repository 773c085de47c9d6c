/** Parts of a match that several pages show. */
import type { ReactNode } from 'react';
import type { MatchView } from '../api/types';
import { useHydrated } from '../app/environment';
import { stadiumOf, timeZoneOf } from '../data/stadiums';
import type { Stage } from '../data/stages';
import { dayOf, zoneOffsetMinutes } from '../i18n/format';
import { useLocale, useText } from '../i18n/locale';
import { Flag } from './flag';
import { Time } from './time';

export function Team({ name, scale = 1 }: { readonly name: string; readonly scale?: 1 | 2 }): ReactNode {
  const { nameOf } = useLocale();
  return (
    <span className="team">
      <Flag team={name} scale={scale} />
      <span>{nameOf(name)}</span>
    </span>
  );
}

/** Stadium and city. */
export function Place({ location }: { readonly location: string }): ReactNode {
  const { nameOf } = useLocale();
  const t = useText('matches');
  const city = stadiumOf(location)?.city;
  return (
    <span className="place">
      {nameOf(location)}
      {city !== undefined && <span className="soft">{t('inCity', { city: nameOf(city) })}</span>}
    </span>
  );
}

/** Of the stadium, and beside it the reader's own where that is another; the server cannot know the reader's. */
export function KickOff({ match }: { readonly match: MatchView }): ReactNode {
  const t = useText('matches');
  const { format } = useLocale();
  const isHydrated = useHydrated();
  const { dateUtc, location } = match;
  const zone = timeZoneOf(location);
  const time = format.time(dateUtc, zone);
  const isElsewhere = isHydrated && zoneOffsetMinutes(dateUtc) !== zoneOffsetMinutes(dateUtc, zone);
  return (
    <span className="kick-off">
      <Time at={dateUtc} className="kick-off-stadium">
        {zone === 'UTC' ? t('utcTime', { time }) : t('stadiumTime', { time })}
      </Time>
      {isElsewhere && (
        <Time at={dateUtc} className="kick-off-local soft">
          {dayOf(dateUtc, zone) === dayOf(dateUtc, ownZone())
            ? t('yourTime', { time: format.time(dateUtc) })
            : t('yourTimeDay', { moment: format.moment(dateUtc) })}
        </Time>
      )}
    </span>
  );
}

const ownZone = (): string => new Intl.DateTimeFormat().resolvedOptions().timeZone;

export function useStageName(): (stage: Stage) => string {
  const t = useText('matches.rounds');
  return (stage) => ('round' in stage ? t(stage.kind, { round: stage.round }) : t(stage.kind));
}

/** "Group A", in the letters of the language. */
export function useGroupName(): (group: string) => string {
  const t = useText('matches');
  const { nameOf } = useLocale();
  return (group) => {
    const key = `Group ${group}`;
    const letter = nameOf(key);
    return t('groupName', { group: letter === key ? group : letter });
  };
}
