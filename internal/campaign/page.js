"use strict"
// What goes on is asked for again every five seconds, and put in the place of what was
// there. The last lines show their end, unless somebody has scrolled up to read: then
// they stay as they are until that is over.
const every = 5000, slack = 8
let follows = true

function output() { return document.querySelector("#lines") }

function toEnd() {
  const lines = output()
  if (lines && follows) lines.scrollTop = lines.scrollHeight
}

function replace(id, by) {
  const old = document.getElementById(id)
  if (!old || !by || old.innerHTML === by.innerHTML) return
  const focused = old.contains(document.activeElement) && document.activeElement.getAttribute("href")
  old.replaceChildren(...by.childNodes)
  if (focused) for (const a of old.querySelectorAll("a")) if (a.getAttribute("href") === focused) a.focus()
}

async function again() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" })
    if (!answer.ok) throw new Error(answer.status)
    const news = new DOMParser().parseFromString(await answer.text(), "text/html")
    if (!news.querySelector("#now")) throw new Error("another page")
    document.title = news.title
    document.body.dataset.active = news.body.dataset.active
    for (const id of ["now", "told", "earlier-ones"]) replace(id, news.getElementById(id))
    const lines = output(), text = news.querySelector("#lines")
    if (!lines) replace("output", news.getElementById("output"))
    else if (text && follows && lines.textContent !== text.textContent) lines.textContent = text.textContent
    toEnd()
    document.getElementById("silent").hidden = true
  } catch {
    document.getElementById("silent").hidden = false
  }
  wait()
}

let timer
function wait() {
  clearTimeout(timer)
  if (document.body.dataset.active) timer = setTimeout(again, every)
}

document.addEventListener("scroll", e => {
  const l = e.target
  if (l === output()) follows = l.scrollTop + l.clientHeight >= l.scrollHeight - slack
}, true)
addEventListener("resize", toEnd)
toEnd()
wait()
