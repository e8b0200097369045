-- For Quarto's rendering: each notebook page links to its exported notebook, which `make book` puts beside the
-- pages, and to Colab where _quarto.yml has a repo-url. The Pandoc edition has these links in its template.
local function repository()
  local directory = quarto and quarto.project and quarto.project.directory
  local file = directory and io.open(directory .. "/_quarto.yml", "r")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  for line in text:gmatch("[^\n]+") do
    local address = line:match("^%s+repo%-url:%s*(%S+)%s*$")
    if address then return address:gsub("^[\"']", ""):gsub("[\"']$", ""):match("^https://github%.com/([%w._-]+/[%w._-]+)/?$") end
  end
end

function Pandoc(document)
  local input = quarto and quarto.doc and quarto.doc.input_file
  local name = input and input:match("([^/\\]+%.ipynb)$")
  if not name or not quarto.doc.is_format("html") then return nil end
  local links = '<p class="book-page-tools"><a href="../notebooks/' .. name .. '" download>Download notebook</a>'
  local home = repository()
  if home then
    links = links .. '<a href="https://colab.research.google.com/github/' .. home:gsub("%.git$", "")
      .. "/blob/gh-pages/notebooks/" .. name .. '">Open in Colab</a>'
  end
  document.blocks:insert(1, pandoc.RawBlock("html", links .. "</p>"))
  return document
end

-- What `make html` does not make is not linked to.
function Span(span)
  if span.classes:includes("editions") and os.getenv("BOOK_HTML_ONLY") then return {} end
end
