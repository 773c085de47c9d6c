/**
 * Looking up a buyer's reservations, and what can be done about them.
 *
 * Guarantees: an address that is looked for stands in no URL of the page: it is personal, and URLs are kept and sent
 * around; a refund is sent once, however often it is asked for while its outcome is not known.
 */
import { useRef, useState, type ReactNode } from 'react';
import { useLocation, useNavigate } from 'react-router';
import { useForm } from '../../account/use-form';
import { isRecord } from '../../api/problem';
import { useOperatorText } from '../../i18n/operator';
import { Button } from '../../ui/button';
import { Field } from '../../ui/field';
import { usePages } from '../data';
import { PageTitle } from '../ui/page-title';
import { Pager } from '../ui/pager';
import { Section } from '../ui/section';
import { found, placeOf, SEARCH_CHARS_MAX, searchOf, type FoundPage, type Search } from './data';
import { ReservationCard } from './reservation-card';
import './reservations.css';

export default function ReservationsPage(): ReactNode {
  const t = useOperatorText('reservations');
  const location = useLocation();
  const text = textOf(location.hash, location.state);
  const search = searchOf(text);
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      <SearchForm key={location.key} text={text} />
      {search && <Results search={search} />}
    </div>
  );
}

/** Ids are after the `#`, so that links to them can be opened and kept; an address is in the state of the history. */
function textOf(hash: string, state: unknown): string {
  if (isRecord(state) && typeof state['find'] === 'string') return state['find'];
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return '';
  }
}

function SearchForm({ text }: { readonly text: string }): ReactNode {
  const t = useOperatorText('reservations');
  const navigate = useNavigate();
  const form = useForm<'find'>();
  const [typed, setTyped] = useState(text);
  const place = useRef<HTMLFormElement>(null);
  const search = searchOf(typed);
  return (
    <form
      ref={place}
      className="reservation-search"
      role="search"
      noValidate
      onSubmit={(event) =>
        form.submit(event, search ? [] : ['find'], async () => {
          if (search) await navigate(placeOf(search).to, placeOf(search).options);
        })
      }
    >
      <Field
        label={t('find')}
        hint={t('findHint')}
        error={form.wrong.has('find') ? t('findWrong') : undefined}
        name="find"
        type="search"
        dir="ltr"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={SEARCH_CHARS_MAX}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          form.touched('find');
        }}
      />
      <Button type="submit">{t('search')}</Button>
    </form>
  );
}

function Results({ search }: { readonly search: Search }): ReactNode {
  const t = useOperatorText('reservations');
  const read = usePages<FoundPage>(found(search));
  const list = read.data?.reservations ?? [];
  return (
    <Section title={t('results')} about={t(`by.${search.kind}`)} read={read}>
      {list.length === 0 && <p className="operator-empty soft">{t('none')}</p>}
      <ul className="reservation-cards">
        {list.map((reservation) => (
          <li key={reservation.id}>
            <ReservationCard reservation={reservation} />
          </li>
        ))}
      </ul>
      <Pager place={read.place} caption={t('results')} />
    </Section>
  );
}
