/** The version of this client: that of the package, or of the server that serves it. */
export declare const version: string;
