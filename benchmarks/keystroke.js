// Milliseconds from the stamp of each input event until the frame with the lab's new ribbons has been handed over.

const taken = [];
const lab = () => document.querySelector("tf-lab").shadowRoot;
const shown = () => [...lab().querySelectorAll(".read .word")].map((one) => one.textContent).join("");
addEventListener("input", (event) => {
  const stamp = event.timeStamp;
  const watcher = new MutationObserver(() => {
    watcher.disconnect();
    requestAnimationFrame(() => {
      const channel = new MessageChannel(); // its task comes when this frame has been handed over
      channel.port1.onmessage = () => taken.push(performance.now() - stamp);
      channel.port2.postMessage(0);
    });
  });
  watcher.observe(lab().querySelector(".stage svg"), { childList: true, subtree: true });
}, true);
