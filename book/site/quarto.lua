-- For Quarto's rendering, what book/filter.lua and the template do for the Pandoc edition: links to the one-file notebook
-- and to Colab, a place for links to the title, equations with their numbers, and keys for what scrolls sideways.

local function text_of(name)
  local file = io.open(quarto.project.directory .. "/" .. name, "r")
  local text = file and file:read("a") or ""
  if file then file:close() end
  return text
end

-- In _quarto.yml, or in the profile that book/site/render.py writes.
local function repository()
  for _, name in ipairs({ "_quarto.yml", "_quarto-address.yml" }) do
    for line in text_of(name):gmatch("[^\n]+") do
      local home = not line:match("^%s*#") and line:match("repo%-url\"?:%s*[\"']?https://github%.com/([%w._-]+/[%w._-]+)")
      if home then return (home:gsub("%.git$", "")) end
    end
  end
end

-- Quarto must not look for a source of these links, which the book's own command makes beside the pages.
local function tools(name)
  local links = '<p class="book-page-tools"><a href="../notebooks/' .. name .. '" download data-noresolveinput>Download notebook</a>'
  local home = repository()
  if home then
    links = links .. '<a href="https://colab.research.google.com/github/' .. home
      .. "/blob/gh-pages/notebooks/" .. name .. '">Open in Colab</a>'
  end
  return pandoc.RawBlock("html", links .. "</p>")
end

-- Quarto takes the first heading away to make the title of it, and with it the place that links to it want.
local function place_of(title)
  local heading = pandoc.read("# " .. pandoc.write(pandoc.Pandoc({ pandoc.Plain(title) }), "markdown"), "markdown").blocks[1]
  return pandoc.Div({}, pandoc.Attr(heading.identifier, { "book-title-place" }))
end

local function scrolling(label) return { tabindex = "0", role = "group", ["aria-label"] = label } end

local function display(math) return pandoc.Span({ math }, pandoc.Attr("", { "book-display" }, scrolling("Equation"))) end

-- MathML has no \tag.
local function equation(div)
  local number
  div = div:walk({ Math = function(math)
    math.text = math.text:gsub("\\tag%s*{([^}]*)}%s*", function(tag) number = tag return "" end)
    return display(math)
  end })
  if not number then return nil end
  div.classes:insert("book-equation")
  div.content[1].content:insert(pandoc.Link("(" .. number .. ")", "#" .. div.identifier, "", { ["aria-label"] = "Equation " .. number .. ", link to it" }))
  return div, false
end

-- Quarto's switch changes the body first and the colours later. An explorer looks at the colours when the body changes: let it
-- change once more when they have come (quarto.css makes a transition of it).
local FOLLOW = [[<script>
addEventListener("transitionend", ({ target }) => target.localName === "gd-explorer" && document.body.toggleAttribute("data-coloured"));
</script>]]

-- The front page's still figures come alive; in a notebook the explorer brings its script itself.
local function explorer(stills)
  local css = pandoc.json.encode(text_of("explorer/gd-explorer.css"))
  local script = text_of("explorer/gd-explorer.js"):gsub('"gd%-explorer%.css"', function() return css end)
  return { pandoc.RawBlock("html", "<script>" .. script .. "</script>" .. text_of(stills.attributes.element)), stills, pandoc.RawBlock("html", "</gd-explorer>") }
end

function Pandoc(document)
  if not quarto.doc.is_format("html") then return nil end
  local front = quarto.doc.input_file:match("index%.qmd$")
  local blocks = document.blocks:walk({
    traverse = "topdown",
    Header = function(header) if front and header.level == 1 then return {} end end, -- the title of the book says it
    Div = function(div)
      if div.identifier:match("^equation%-") then return equation(div) end
      local raw = div.content[1] -- below an explorer, and below panels, stands the caption
      local drawn = raw and raw.t == "RawBlock" and (raw.text:find("<gd-explorer", 1, true) or raw.text:find('class="panels"', 1, true))
      if drawn and div.content[2] then
        div.content[2] = pandoc.Div(div.content[2], pandoc.Attr("", { "figure-caption" }))
        return div
      end
      if div.classes:includes("explorer") then return explorer(div), false end
    end,
    Math = function(math) if math.mathtype == "DisplayMath" then return display(math), false end end,
    Table = function(table_) return pandoc.Div({ table_ }, pandoc.Attr("", { "book-table" }, scrolling("Table"))), false end,
    Span = function(span) -- what `make html` does not make is not linked to
      if span.classes:includes("editions") and os.getenv("BOOK_HTML_ONLY") then return {} end
    end,
    CodeBlock = function(block)
      for key, value in pairs(scrolling(block.classes:includes("cell-code") and "Code" or "Output")) do block.attributes[key] = value end
      return block
    end,
  })
  quarto.doc.include_text("after-body", FOLLOW)
  local name = quarto.doc.input_file:match("([^/\\]+%.ipynb)$")
  if name then blocks:insert(1, tools(name)) end
  blocks:insert(1, place_of(document.meta.title))
  document.blocks = blocks
  return document
end
