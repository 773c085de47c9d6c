/** Made by the plugin of vite.config.ts; `Manifest` of app/assets.ts. */
declare module 'virtual:client-manifest' {
  const manifest: Readonly<
    Record<
      string,
      {
        readonly file: string;
        readonly css?: string[];
        readonly imports?: string[];
        readonly isEntry?: boolean;
      }
    >
  >;
  export default manifest;
}
