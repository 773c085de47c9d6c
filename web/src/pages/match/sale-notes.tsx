/** What is told of the phases of a category's sale: what is open to whom, until when, and what opens next. */
import { useState, type ReactNode } from 'react';
import { useHydrated } from '../../app/environment';
import { CATEGORIES, type Category, type MatchView, type SalePhase, type SaleView } from '../../api/types';
import { canBeHeld, categoryOf } from '../../data/availability';
import { openingOf, phasesOn } from '../../data/sale';
import { timeZoneOf } from '../../data/stadiums';
import { LANGUAGES } from '../../i18n/languages';
import { useLocale, useText } from '../../i18n/locale';
import { OpensIn } from '../../ui/opens-in';
import { Intlized } from '../../ui/time';
import { LiveRegion } from '../../ui/toast';

export function SaleNotes({
  match,
  category,
}: {
  readonly match: MatchView;
  readonly category: Category;
}): ReactNode {
  const { sale } = categoryOf(match, category);
  if (!sale) return null;
  const { location } = match;
  const opening = openingOf(sale);
  if (opening !== null) return <Opening sale={sale} at={opening} location={location} />;
  if (sale.state === 'closed' || sale.state === 'not_yet') return null;
  return (
    <>
      {phasesOn(sale).map((phase, index) => (
        <On key={phase.name ?? index} phase={phase} location={location} />
      ))}
      {sale.next && <Next next={sale.next} location={location} />}
    </>
  );
}

function On({ phase, location }: { readonly phase: SalePhase; readonly location: string }): ReactNode {
  return (
    <>
      <Name name={phase.name} />
      {phase.access !== undefined && <Access phase={phase} />}
      {phase.closesAt !== undefined && <Closes at={phase.closesAt} location={location} />}
    </>
  );
}

/** As the operators called it, in their language. */
function Name({ name }: { readonly name: string | undefined }): ReactNode {
  return name === undefined ? null : (
    <span className="sale-name" dir="auto">
      {name}
    </span>
  );
}

/** The moment is there at once; how long until then once the page is the browser's. */
function Opening(props: {
  readonly sale: SaleView;
  readonly at: number;
  readonly location: string;
}): ReactNode {
  const { sale, at, location } = props;
  const t = useText('sale');
  const isPresale = sale.access !== undefined;
  return (
    <>
      <Name name={sale.name} />
      {useHydrated() && <OpensIn at={at} label={isPresale ? t('presaleIn') : t('opensIn')} />}
      <span className="soft">
        <PhaseMoment at={at} location={location}>
          {(moment) => moment}
        </PhaseMoment>
      </span>
      {isPresale && <Access phase={sale} />}
      {sale.next && <Next next={sale.next} location={location} />}
    </>
  );
}

function Access({ phase }: { readonly phase: SalePhase }): ReactNode {
  const t = useText('sale');
  const countryNames = useCountryNames();
  return (
    <span className="sale-access">
      {phase.access === 'code' ? (
        t('withCode')
      ) : (
        <Intlized>{t('forCountries', { countries: countryNames(phase.countries ?? []) })}</Intlized>
      )}
    </span>
  );
}

function Closes({ at, location }: { readonly at: string; readonly location: string }): ReactNode {
  const t = useText('sale');
  return (
    <span className="soft">
      <PhaseMoment at={at} location={location}>
        {(moment) => t('closes', { moment })}
      </PhaseMoment>
    </span>
  );
}

function Next({ next, location }: { readonly next: SalePhase; readonly location: string }): ReactNode {
  const t = useText('sale');
  const countryNames = useCountryNames();
  if (next.opensAt === undefined) return null;
  return (
    <span className="soft">
      <PhaseMoment at={next.opensAt} location={location}>
        {(moment) => {
          if (next.access === 'code') return t('nextCode', { moment });
          return next.access === 'country'
            ? t('nextCountry', { moment, countries: countryNames(next.countries ?? []) })
            : t('nextOpen', { moment });
        }}
      </PhaseMoment>
    </span>
  );
}

/** In the reader's own time; the stadium's while the server cannot know that. */
export function PhaseMoment(props: {
  readonly at: number | string;
  readonly location: string;
  readonly children: (moment: string) => string;
}): ReactNode {
  const { at, location, children } = props;
  const t = useText('sale');
  const { format } = useLocale();
  const text = useHydrated()
    ? t('yourTime', { moment: format.moment(at) })
    : t('stadiumTime', { moment: format.moment(at, timeZoneOf(location)) });
  return <Intlized>{children(text)}</Intlized>;
}

export function useCountryNames(): (codes: readonly string[]) => string {
  const { code } = useLocale();
  const { locale } = LANGUAGES[code];
  return (codes) => {
    const names = new Intl.DisplayNames([locale], { type: 'region' });
    const nameOf = (country: string): string =>
      /^[A-Z]{2}$/.test(country) ? (names.of(country) ?? country) : country;
    return new Intl.ListFormat(locale, { type: 'conjunction' }).format(codes.map(nameOf));
  };
}

/** Says once that a category can be bought now which could not while the page was open. */
export function SaleOpenings({ match }: { readonly match: MatchView }): ReactNode {
  const t = useText('sale');
  const open = CATEGORIES.filter((category) => canBeHeld(match, category));
  const waiting = CATEGORIES.filter((category) => {
    const { sale } = categoryOf(match, category);
    return sale !== undefined && openingOf(sale) !== null;
  });
  // Those that were seen waiting, and may have opened since.
  const [seen, setSeen] = useState<readonly Category[]>(waiting);
  if (waiting.some((category) => !seen.includes(category))) setSeen([...new Set([...seen, ...waiting])]);
  const opened = open.filter((category) => seen.includes(category));
  return <LiveRegion>{opened.map((category) => t('onSale', { category })).join(' ')}</LiveRegion>;
}
