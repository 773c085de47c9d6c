/** The heading of an operators' page, in the browser's title too. */
import type { ReactNode } from 'react';
import { Head } from '../../app/head';

/** `children`: what stands beside it. */
export function PageTitle(props: { readonly title: string; readonly children?: ReactNode }): ReactNode {
  const { title, children } = props;
  return (
    <div className="operator-title">
      <Head title={title} noIndex />
      <h1>{title}</h1>
      {children}
    </div>
  );
}
