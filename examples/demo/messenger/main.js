// Starts Hydrogen, the web client of the demo, as it is on npm. A link says where it leads, and nothing secret:
//   ?hs=    the homeserver, if it is one of config.json
//   &user=  who signs in: their user ID stands in its field
//   &room=  the room that opens then
import {
  FeatureSet, Platform, RootViewModel, createNavigation, createRouter,
} from "hydrogen-view-sdk";

const {homeservers, run} = await (await fetch("config.json")).json();
await forgetAnEarlierDemo();

const asked = new URLSearchParams(location.search);
const homeserver = asked.get("hs")?.replace(/\/+$/, "");
const user = asked.get("user");
const room = asked.get("room");
const isFollowingLink = ["", "#/login"].includes(location.hash); // else the page was loaded again

const platform = new Platform({
  container: document.body,
  assetPaths: {
    downloadSandbox: "assets/download-sandbox.html",
    worker: "assets/main.js",
    serviceWorker: "sw.js",
    olm: {wasm: "olm.wasm", legacyBundle: "olm_legacy.js", wasmBundle: "olm.js"},
  },
  config: {
    defaultHomeServer: homeservers.includes(homeserver) ? homeserver : homeservers[0],
    push: null,
  },
});
const navigation = createNavigation();
platform.setNavigation(navigation);
await platform.init();
const urlRouter = createRouter({navigation, history: platform.history});
urlRouter.attach();
const features = await FeatureSet.load(platform.settingsStorage);
const viewModel = new RootViewModel({platform, urlRouter, navigation, features});
if (isFollowingLink && user) await chooseSession();
if (isFollowingLink && room) openRoomOnceSignedIn();
await viewModel.load();
platform.createAndMountRootView(viewModel);
new MutationObserver(fillInUser).observe(document.body, {childList: true, subtree: true});

// Every start of the demo begins anew, so the accounts of the one before are gone.
async function forgetAnEarlierDemo() {
  if (localStorage.getItem("run") === run) return;
  localStorage.clear();
  for (const {name} of await indexedDB.databases()) indexedDB.deleteDatabase(name);
  localStorage.setItem("run", run);
}

// Several people may be signed in with one browser: the link is for one of them.
async function chooseSession() {
  const sessions = await platform.sessionInfoStorage.getAll();
  const own = sessions.find(({userId}) => userId === user);
  const segment = own ? navigation.segment("session", own.id) : navigation.segment("login");
  navigation.applyPath(navigation.pathFrom([segment]));
}

async function openRoomOnceSignedIn() {
  const isSession = (id) => typeof id === "string";
  const id = await navigation.observe("session").waitFor(isSession).promise;
  const {userId} = await platform.sessionInfoStorage.get(id);
  if (!user || userId === user) navigation.push("room", room);
}

function fillInUser() {
  const field = document.querySelector("#username");
  if (!user || !field || field.dataset.filledIn) return;
  field.dataset.filledIn = "yes"; // once, so that it can be emptied
  field.value = user;
  document.querySelector("#password").focus();
}
