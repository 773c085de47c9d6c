/** What is out of the ordinary with a match: cancelled, moved, or its sales paused; with the operators' own words. */
import type { ReactNode } from 'react';
import type { BuyersText, MatchView } from '../api/types';
import { textIn, toldOf, type Told } from '../data/notices';
import { timeZoneOf } from '../data/stadiums';
import { useLocale, useText } from '../i18n/locale';
import { Badge, Notice } from './panels';
import { Intlized } from './time';

/** Said in the language it was written in, whatever that of the page is. */
export function OwnWords({ text }: { readonly text: BuyersText }): ReactNode {
  const { code } = useLocale();
  const own = textIn(text, code);
  return (
    <p className="own-words">
      <bdi lang={own.lang}>{own.text}</bdi>
    </p>
  );
}

export function MatchNotice({ match }: { readonly match: MatchView }): ReactNode {
  return (
    // Always there: what appears in it is read out.
    <div className="match-notices" role="status">
      <MatchNoticeBox match={match} />
    </div>
  );
}

/** Not read out by itself. */
export function MatchNoticeBox({ match }: { readonly match: MatchView }): ReactNode {
  const told = toldOf(match);
  return told && <Box match={match} told={told} />;
}

function Box({ match, told }: { readonly match: MatchView; readonly told: Told }): ReactNode {
  const t = useText('notice');
  const { code } = useLocale();
  const { isCancelled, paused, isAllPaused, previous, message } = told;
  const categories = new Intl.ListFormat(code, { type: 'conjunction' }).format(paused.map(String));
  const title = isCancelled
    ? t('cancelledTitle')
    : paused.length === 0
      ? t('rescheduledTitle')
      : isAllPaused
        ? t('pausedTitle')
        : t('pausedSomeTitle', { count: paused.length, categories });
  return (
    <Notice tone={isCancelled ? 'bad' : 'warn'} title={title}>
      {message && <OwnWords text={message} />}
      {isCancelled && <p>{t('cancelledBody')}</p>}
      {paused.length > 0 && <p>{t('pausedBody')}</p>}
      {previous && !isCancelled && <Before match={match} previous={previous} />}
    </Notice>
  );
}

function Before({
  match,
  previous,
}: {
  readonly match: MatchView;
  readonly previous: NonNullable<Told['previous']>;
}): ReactNode {
  const t = useText('notice');
  const { format, nameOf } = useLocale();
  const { dateUtc, location = match.location } = previous;
  const refundUntil = match.notice?.refundUntil;
  const whenOf = (at: string, zone: string): { readonly day: string; readonly time: string } => ({
    day: format.day(at, zone),
    time: format.time(at, zone),
  });
  return (
    <>
      {dateUtc !== undefined && (
        <p>
          <Intlized>{t('previousDate', whenOf(dateUtc, timeZoneOf(location)))}</Intlized>
        </p>
      )}
      {previous.location !== undefined && <p>{t('previousPlace', { stadium: nameOf(location) })}</p>}
      <p>{t('rescheduledBody')}</p>
      {refundUntil !== undefined && (
        <p>
          <Intlized>{t('refundUntil', whenOf(refundUntil, timeZoneOf(match.location)))}</Intlized>
        </p>
      )}
    </>
  );
}

/** The same in a word or two, for lists. Paused categories say so themselves. */
export function MatchNoticeBadge({ match }: { readonly match: MatchView }): ReactNode {
  const t = useText('notice');
  const told = toldOf(match);
  if (told?.isCancelled === true) return <Badge tone="bad">{t('cancelledBadge')}</Badge>;
  if (told?.previous) return <Badge tone="warn">{t('rescheduledBadge')}</Badge>;
  return null;
}
