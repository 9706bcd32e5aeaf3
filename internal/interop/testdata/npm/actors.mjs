// Actors are clients that are told what to do. A command is an object:
//
//	{do: "open", conn, driver, library, …}   makes one, with a name
//	{do: …, conn, …}                         is one of the functions of its driver
//	{do: "idle", conn, for}                  tells "idle" after so many milliseconds
//
// What it sees is told with the same name: {conn, event, …}. What is thrown by a
// library is told as the event "threw".
import * as socketio from "./socketio.mjs"
import * as engineio from "./engineio.mjs"
import * as sockjs from "./sockjs.mjs"
import * as pusher from "./pusher.mjs"
import * as echo from "./echo.mjs"
import * as piesocket from "./piesocket.mjs"

export const drivers = { socketio, engineio, sockjs, pusher, echo, piesocket }

// stage returns what runs commands. library gets what a driver opens with.
export function stage(library, out) {
  const actors = new Map()
  return async ({ do: what, conn, ...args }) => {
    const tell = (event, more) => out({ conn, event, ...more })
    try {
      if (what === "open") actors.set(conn, drivers[args.driver].open(await library(args.library), args, tell))
      else if (what === "idle") setTimeout(() => tell("idle"), args.for)
      else await actors.get(conn)[what](args)
    } catch (error) {
      tell("threw", { text: String(error?.message ?? error) })
    }
  }
}
